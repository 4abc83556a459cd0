# The table of tw_inclusion(): all loci, variant by variant.

inclusion_table <- function(loci, found, prior, share, learn, level) {
  is_many <- !is.null(names(loci))
  parts <- lapply(seq_along(loci), function(i) {
    id <- data.frame(variant = rownames(loci[[i]]$z))
    if (is_many) id <- cbind(locus = names(loci)[i], id)
    cbind(id, found[[i]]$table)
  })
  table <- do.call(rbind, parts)
  rownames(table) <- NULL
  studies <- colnames(loci[[1]]$z)
  names <- if (length(studies) == 2) paste0("any_", studies) else "any"
  any <- do.call(rbind, lapply(found, `[[`, "any"))
  summary <- data.frame(variants = vapply(loci, function(locus) nrow(locus$z), 0L),
                        log_evidence = vapply(found, `[[`, 0, "log_evidence"), stats::setNames(as.data.frame(any), names))
  if (length(studies) == 2) summary$shared <- vapply(found, `[[`, 0, "shared")
  rownames(summary) <- if (is_many) names(loci)
  note <- paste0(if (length(learn) > 0) "learned prior: " else "prior: ", spike_slab_text(prior),
                 if (!is.null(share)) sprintf("; in both with probability %.3g", share),
                 if (!is_many) paste0("; some effect: ", paste(format(any, digits = 2), collapse = ", ")))
  facts <- list(prob = level, note = note, prior = prior, share = share, loci = summary, studies = studies)
  minor <- grep("^(sd|mean|z)(_|$)", names(table), value = TRUE)
  new_table(table, "inclusion", "Variants with an effect", "variants", inclusion_texts(table, level), facts, minor)
}

inclusion_texts <- function(table, level) {
  of <- c(z = "z-score as given", pip = "probability of an effect", mean = "posterior mean of the effect, in units of z",
          sd = "its posterior sd", in_set = sprintf("in the %g %% credible set", 100 * level))
  columns <- names(table)
  texts <- stats::setNames(of[sub("_.*", "", sub("^in_set", "inset", columns))], columns)
  is_set <- startsWith(columns, "in_set")
  texts[is_set] <- of[["in_set"]]
  study <- sub("^(in_set|[a-z]+)_?", "", columns)
  with_study <- !is.na(texts) & nzchar(study)
  texts[with_study] <- paste0(texts[with_study], " (", study[with_study], ")")
  texts <- c(texts[!is.na(texts)], both = "probability of an effect in both", clpp = "product of the two probabilities")
  texts[intersect(columns, names(texts))]
}
