# Names that functions had before their first release: they work, and say once a session what they are called now.

#' Former names
#'
#' What these functions are called now: `tw_effect()` is [tw_draws()], `tw_effects()` is [tw_conditional_effects()], `tw_sets()`
#' is [tw_gene_sets()], `tw_status()` is [tw_diagnostics()], and `tw_screen()` is [twill_screen()]. They will go with the
#' first release.
#'
#' @param ... Arguments of the function that is meant.
#' @return What the function returns.
#' @keywords internal
#' @name twill-former-names
NULL

former_name <- function(old, new) {
  call <- bquote({
    cli::cli_inform(c("i" = .(sprintf("{.fn %s} is called {.fn %s} now.", old, new))), .frequency = "once",
                    .frequency_id = .(paste0("twill_", old)), class = "twill_message_former_name")
    .(as.name(new))(...)
  })
  eval(bquote(function(...) .(call)), topenv())
}

#' @rdname twill-former-names
#' @export
tw_effect <- former_name("tw_effect", "tw_draws")

#' @rdname twill-former-names
#' @export
tw_effects <- former_name("tw_effects", "tw_conditional_effects")

#' @rdname twill-former-names
#' @export
tw_sets <- former_name("tw_sets", "tw_gene_sets")

#' @rdname twill-former-names
#' @export
tw_status <- former_name("tw_status", "tw_diagnostics")

#' @rdname twill-former-names
#' @export
tw_screen <- former_name("tw_screen", "twill_screen")
