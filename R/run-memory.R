# Whether the draws of a fit can be held in memory, before any is made.

# Draws are held twice at most: by the engine, and by the fit made from it.
draw_copies <- 2

check_memory <- function(model, settings, available = available_memory()) {
  chains <- if (is.null(settings$method)) settings$chains else 1
  kept <- if (is.null(settings$method)) ceiling((settings$iter - settings$warmup) / settings$thin) else n_proposals(settings)
  if (isTRUE(settings$save_warmup)) kept <- kept + settings$warmup
  n_variables <- n_draw_variables(model, settings$save_effects)
  of_effects <- min(kept, settings$effects %||% 0) * (n_draw_variables(model, TRUE) - n_draw_variables(model, FALSE))
  size <- 8 * draw_copies * chains * (kept * n_variables + of_effects)
  if (size <= available) return(invisible())
  abort_twill("setting", c(
    "The draws do not fit into memory: {.arg iter} or {.arg chains} is too large.",
    "x" = "{.val {kept}} draws of {chains} chain{?s} and {n_variables} variables need {size_text(size)}.",
    "x" = "There are {size_text(available)}.",
    "i" = "Take fewer iterations, or keep fewer draws: {.arg thin}, {.code save_pars = tw_save(group = 200)}."))
}

n_draw_variables <- function(model, with_effects) {
  of_term <- function(term) {
    q <- length(term$coefs)
    q + if (term$cor) choose(q, 2) else 0
  }
  effects <- function(term) length(term$coefs) * length(term$levels)
  terms <- model$design$terms
  length(model$design$coef_names) + max(1, length(model$design$disp_names)) + 2 +
    sum(vapply(terms, of_term, 0)) + if (with_effects) sum(vapply(terms, effects, 0)) else 0
}

size_text <- function(bytes) paste(format(signif(bytes / 1e9, 3), scientific = FALSE, decimal.mark = "."), "GB")

# Bytes of memory that are free for this process, as far as the system says; else what few machines have.
available_memory <- function() {
  lines <- tryCatch(suppressWarnings(readLines("/proc/meminfo")), error = function(e) character())
  free <- as.numeric(sub("\\D*(\\d+).*", "\\1", grep("^(MemAvailable|SwapFree):", lines, value = TRUE)))
  if (length(free) > 0) 1024 * sum(free) else 64e9
}
