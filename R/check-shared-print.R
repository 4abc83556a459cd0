# What is said of variation that samples share: after a fit, in print() and in plot().

# After a fit. A check that fails must not cost the fit.
check_shared <- function(fit, silent) {
  if (silent >= 2 || is_partial(fit)) return(fit)
  found <- tryCatch(tw_shared_variation(fit), error = identity)
  if (inherits(found, "error")) {
    why <- conditionMessage(found)
    inform_twill("shared", c("Whether samples share variation could not be looked at.", "x" = "{why}"), silent)
    return(fit)
  }
  warn_shared(found)
  fit$info$shared <- found
  fit
}

warn_shared <- function(x) {
  if (n_components(x) > 0) {
    first <- summary.tw_shared_variation(x)[1, ]
    found <- paste("Samples share variation over genes that {.arg design} leaves out: one direction of {attr(x, 'df')}",
                   "holds {percent(first$share)} of what is left, by chance at most {percent(first$chance)}.")
    trust <- "Effects, their signs and intervals are not to be trusted until the design has it."
    weak <- "It is weak: errors of effects along it are {percent(sqrt(1 + first$size) - 1)} larger than the fit tells."
    text <- c(found, if (is_strong(x)) c("x" = trust) else c("i" = weak),
              "i" = "Largest loadings: {.val {some(top_samples(x))}}.", shared_advice(first),
              "i" = "See {.fn tw_shared_variation}; {.code check = FALSE} does not look.")
    if (is_strong(x)) warn_twill("shared", text) else inform_twill("shared", text)
  }
  noisy <- attr(x, "noisy")
  if (length(noisy) == 0) return(invisible())
  times <- signif(max(x$noise[noisy]) / stats::median(x$noise, na.rm = TRUE), 2)
  warn_twill("noisy", c("{length(noisy)} sample{?s} {?lies/lie} apart in many genes: {.val {some(x$sample[noisy])}}.",
                        "x" = "Residuals are {times} times those of other samples, and each gene takes its noise from all.",
                        "i" = "Look at their quality, or compare with a fit without them."))
}

percent <- function(share) paste(signif(100 * share, 2), "%")

# Those that make up half of the component.
top_samples <- function(x, component = 1) {
  loading <- x[[paste0("component", component)]]
  ranked <- order(-abs(loading))
  x$sample[ranked[seq_len(which(cumsum(loading[ranked]^2) >= 0.5)[1])]]
}

# Bullets of a cli message: what the component goes with, and what to write.
shared_advice <- function(component) {
  column <- component$column
  if (is.na(column)) {
    return(c("i" = "It goes with no column of {.arg col_data}: what do these samples share (date, lane, kit, sex, quality)?",
             "i" = "Add it to {.arg col_data} and to {.arg design}."))
  }
  plain <- paste("+", as_symbol_text(column))
  wanted <- if (component$is_category) sprintf("+ (1 | %s)", as_symbol_text(column)) else plain
  text <- paste0("It goes with {.field %s} (R2 ", sprintf("%.2f", component$r2), "): add {.code %s} to {.arg design}",
                 # What is asked about, such as the treatment, is no batch.
                 if (component$is_category) ", or {.code %s} if its effect is the question", ".")
  c("i" = do.call(cli_verbatim, c(list(text, column, wanted), if (component$is_category) list(plain))))
}

as_symbol_text <- function(name) deparse1(as.name(name), backtick = TRUE)

# Print --------------------------------------------------------------------------------------------------------------

# What print() shows of a whole table.
shared_body <- function(x, n) {
  cat(sprintf("%s genes, %d free directions\n", big(attr(x, "n_genes")), attr(x, "df")))
  if (nrow(attr(x, "components")) == 0) {
    cat(sprintf("Not looked for: %s.\n", if (attr(x, "df") < 3) "three directions are needed" else
      sprintf("%d genes are needed", min_shared_genes)))
    return(invisible(x))
  }
  print_components(attr(x, "components"))
  if (n_components(x) == 0) cat("No component is beyond chance.\n") else print_loadings(x, n)
  noisy <- x$sample[unit_of_rows(x) %in% attr(x, "noisy")]
  if (length(noisy)) cat("Noisier than others in many genes:", toString(utils::head(noisy, n)), "\n")
  if (n_components(x)) cat(strwrap(paste(trust_text(x), "Next: plot(), summary()."), screen_width()), sep = "\n")
}

#' @exportS3Method
whole_body.tw_shared_variation <- function(x) {
  list(columns = c("sample", "noise", sprintf("component%d", seq_len(n_components(x)))), print = shared_body)
}

trust_text <- function(x) {
  if (is_strong(x)) return("Effects and signs are not to be trusted until the design has it.")
  sprintf("Weak: errors of effects along it are %s larger than the fit tells.",
          percent(sqrt(1 + summary.tw_shared_variation(x)$size[1]) - 1))
}

print_components <- function(components) {
  column <- ifelse(is.na(components$column), "no column", components$column)
  r2 <- ifelse(is.na(components$r2), "", sprintf("%.2f", components$r2))
  shown <- data.frame(component = components$component, share = percent(components$share),
                      "by chance" = percent(components$chance), p = format.pval(components$p, 2, eps = 1e-16),
                      "goes with" = column, R2 = r2, check.names = FALSE)
  print(shown, row.names = FALSE)
}

print_loadings <- function(x, n) {
  known <- grep("^component", names(x), value = TRUE)
  size <- rowSums(plain_table(x)[known]^2)
  top <- utils::head(order(-size), n)
  shown <- data.frame(sample = x$sample, lapply(plain_table(x)[c(known, "noise")], sprintf, fmt = "%.2f"))
  column <- summary.tw_shared_variation(x)$column[1]
  value <- column_of_rows(x, column)
  if (!is.null(value)) shown[[if (column %in% names(shown)) paste(column, "(col_data)") else column]] <- value_text(value)
  several <- sprintf("\nThe %d samples with the largest loadings:\n", n)
  cat(if (nrow(x) <= n) "\nLoadings:\n" else if (n == 1) "\nThe sample with the largest loading:\n" else several)
  print(shown[top, ], row.names = FALSE)
}

# Rows may be in another order than samples were, or some of them.
unit_of_rows <- function(x) match(x$sample, attr(x, "samples") %||% x$sample)

# NULL without one value per sample.
column_of_rows <- function(x, column) {
  value <- if (!is.na(column)) attr(x, "columns")[[column]]
  if (is.null(value) || is.matrix(value)) NULL else value[unit_of_rows(x)]
}

# A level may be NA.
value_text <- function(value) {
  if (is.numeric(value)) return(format(value, digits = 4))
  text <- as.character(value)
  ifelse(is.na(text), "NA", text)
}

#' @rdname tw_shared_variation
#' @method summary tw_shared_variation
#' @export
summary.tw_shared_variation <- function(object, ...) {
  check_no_dots(...)
  attr(object, "components")
}

# Plot ---------------------------------------------------------------------------------------------------------------

#' @rdname tw_shared_variation
#' @method plot tw_shared_variation
#' @export
plot.tw_shared_variation <- function(x, component = 1, ...) {
  check_no_dots(...)
  shared_plot(x, component)
}

shared_plot <- function(x, component) {
  component <- check_whole(component, "component", 1, 1e4)
  known <- n_components(x)
  if (known == 0) abort_twill("plot", "There is no component to show: samples share nothing beyond chance.")
  if (component > known) abort_twill("plot", "There {?is/are} {known} component{?s}: {.arg component} is {component}.")
  row <- summary.tw_shared_variation(x)[component, ]
  table <- data.frame(sample = x$sample, loading = x[[paste0("component", component)]])
  value <- column_of_rows(x, row$column)
  table$value <- if (is.null(value)) "sample" else if (is_category(value)) value_text(value) else value
  table$sample <- factor(table$sample, unique(table$sample[order(table$loading)]))
  goes_with <- if (is.na(row$column)) "goes with no column" else sprintf("goes with %s (R2 %.2f)", row$column, row$r2)
  headed(loading_points(table, row$column), sprintf("What samples share: component %d", component),
         sprintf("%s of what the design leaves (by chance %s); %s", percent(row$share), percent(row$chance), goes_with))
}

loading_points <- function(table, column) {
  value <- table$value
  if (!is_category(value)) table$value <- as.numeric(value)
  plot <- ggplot2::ggplot(table, ggplot2::aes(x = .data$loading, y = .data$sample, colour = .data$value)) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey60", linewidth = 0.3) +
    ggplot2::geom_segment(ggplot2::aes(xend = 0, yend = .data$sample), linewidth = 0.4) + ggplot2::geom_point(size = 2) +
    ggplot2::labs(x = "loading", y = NULL)
  # More names than lines of text are in a picture cannot be read.
  if (nrow(table) > 60) plot <- plot + ggplot2::scale_y_discrete(labels = NULL)
  if (!is_category(value)) return(plot + loading_scale(value, column))
  n <- length(unique(value))
  if (n == 1) return(plot + ggplot2::scale_colour_manual(values = twill_colours[1], guide = "none"))
  plot + ggplot2::scale_colour_manual(values = category_colours(n), name = column)
}

# Dates and times are numbers to a scale of colours, with labels of their own.
loading_scale <- function(value, column) {
  scale <- function(...) ggplot2::scale_colour_viridis_c(name = column, option = "mako", begin = 0.2, end = 0.85, ...)
  if (is.numeric(value)) return(scale())
  at <- pretty(value)
  scale(breaks = as.numeric(at), labels = format(at))
}
