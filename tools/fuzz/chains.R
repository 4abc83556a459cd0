# Calls of the fuzzer that ask what came out of another: tables of a fit of genes, one gene as a fit, a part of the genes.

# What is asked of the results of some verbs.
after <- local({
  n <- any_of(1, 0, 5, "all", -1)
  table <- list(
    print = list(n = n, digits = any_of(2, 0, 50)), summary = list(), as.data.frame = list(),
    sort = list(by = any_of("svalue", "lfsr", "nothing", c("gene", "svalue"), 1), decreasing = any_of(TRUE, FALSE, NA)),
    plot = list(type = any_of("forest", "volcano", "ma", "heatmap", "nothing"), alpha = probabilities, n_labels = n),
    head = list(n = any_of(2, 0)), rbind = list(), `[` = list())
  list(
    tw_contrast = c(table, list(tw_row_data = list())), tw_gene_sets = table, tw_variance = table[1:4],
      tw_diagnostics = table[1:4],
    tw_spread = table, tw_design = table, tw_guides = table, tw_calibration = table[c("print", "summary", "plot")],
    tw_shared_variation = list(print = list(), summary = list(), plot = list(component = any_of(1, 0, 100))),
    tw_draws = list(print = list(), summary = list(probs = probabilities), plot = list(), names = list(), length = list(),
                    as.array = list(), `[[` = list(any_of(1, "l1", 100, "gene1", NA))),
    tw_groups = list(print = list(), summary = list(), `[[` = list(any_of("g", 1, "nothing"))),
    tw_effect_prior = list(print = list(digits = any_of(2, 0)), summary = list(), plot = list()),
    tw_mask = list(print = list(), length = list()), loo = list(print = list()), kfold = list(print = list()))
})

# More contrasts than one, and levels of groups.
several_contrasts <- list(
  contrast = any_of(list(a = "fl2", b = "x"), list(c("f", "l2", "l1"), c("f", "l3", "l1")), tw_each("f"), tw_each("g"),
                    tw_each("f", "l1"),
                    tw_each("nothing"), list(), list(a = "fl2", a = "fl2"), tw_each("f", .average = TRUE), tw_each("x")),
  by = any_of("g", "h", c("g", "h"), "guide", "nothing", 1), shrink = yes_no, symbols = any_of(c(gene1 = "A"), "symbol", "a", NA),
  estimand = any_of("observed", "new_donor", "population"), scale = any_of("composition", "clr", "expression"),
  extra = any_of("kl", c("kl", "lvr")), mask = any_of(tw_mask(fit), tw_mask(fit, drop = "gene1")), lfc_threshold = any_of(0.5, 0))

random_chain <- function(door) {
  one_of(
    function() random_call("tw_contrast", list(quote(fit)), several_contrasts, 3),
    function() verb_on(quote(tw_gene(fit, 1)), "twill", twill_verbs),
    function() verb_on(quote(fit[1]), door), function() verb_on(quote(c(fit[1], fit[-1])), door),
    function() chain_of_two(door), function() chain_of_two(door))()
}

chain_of_two <- function(door) {
  asked <- intersect(names(after), names(verbs_of(door)))
  name <- element_of(asked)
  inner <- if (name == "tw_contrast" && chance(0.5)) random_call(name, list(quote(fit)), several_contrasts, 3) else
    random_call(name, c(list(quote(fit)), verb_needs[[name]]), verbs_of(door)[[name]], p_senseless = 0)
  outer <- element_of(names(after[[name]]))
  arguments <- after[[name]][[outer]]
  needed <- switch(outer, rbind = list(inner, inner), `[` = list(inner, 1, any_of("svalue", 1, TRUE)), `[[` = list(inner,
                                                            arguments[[1]]),
                   tw_row_data = list(quote(x), inner), list(inner))
  random_call(outer, needed, arguments[setdiff(names(arguments), "")], p_senseless = 0.1)
}
