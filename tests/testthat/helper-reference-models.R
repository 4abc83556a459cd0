# The table of reference posteriors: for each model its data, formula, family and priors, as the reference states them.
#
# Expressed here: every posterior of the two collections except one. `seeds_data-seeds_stanified_model` is binomial
# (logit link), a family that twill does not have; for the same reason `cbpp_binomial` is missing from the mixed models
# of test-reference-mixed.R. See references/README.md for sources and licences.

#' One row of the table.
#'
#' @param data,posterior Names of the stored data set and of the stored summary of the posterior.
#' @param formula,family,prior The model; `prior` is a character vector whose names are `class` or `class:coef`.
#' @param transform A one-sided formula `~ list(new = expression)` evaluated in the data, or NULL.
#' @param no_sd Effects whose standard deviation is not compared, because their fourth moment is infinite or close to
#'   it (a heavy-tailed standard deviation with few groups), so that an estimated sd has no usable Monte Carlo error.
#' @param slow Whether the model takes more than some seconds and is left out of the usual test run.
#' @param stored Whether data and posterior are stored beside this file, or found only in the complete collections.
reference_model <- function(data, posterior, formula, family, prior, transform = NULL, no_sd = character(),
                            adapt_delta = c(0.65, 0.9, 0.99), slow = FALSE, stored = TRUE) {
  list(data = data, posterior = posterior, formula = formula, family = family, prior = prior, transform = transform,
       no_sd = no_sd, adapt_delta = adapt_delta, slow = slow, stored = stored)
}

# Linear regressions whose reference draws come from posteriordb: flat priors on all coefficients.
regression_model <- function(data, posterior, formula, sigma = "flat", ...) {
  reference_model(data, posterior, formula, "gaussian", c(b = "flat", Intercept = "flat", sigma = sigma), ...)
}

earnings_models <- list(
  "earnings-earn_height" = regression_model("earnings", "earnings-earn_height", earn ~ height),
  "earnings-log10earn_height" = regression_model("earnings", "earnings-log10earn_height", log10_earn ~ height),
  "earnings-logearn_height" = regression_model("earnings", "earnings-logearn_height", log_earn ~ height),
  "earnings-logearn_height_male" =
    regression_model("earnings", "earnings-logearn_height_male", log_earn ~ height + male),
  "earnings-logearn_interaction" =
    regression_model("earnings", "earnings-logearn_interaction", log_earn ~ height + male + height:male))

kidiq_models <- list(
  "kidiq-kidscore_interaction" = regression_model("kidiq", "kidiq-kidscore_interaction",
    kid_score ~ mom_hs + mom_iq + mom_hs:mom_iq, sigma = "cauchy(0, 2.5)"),
  "kidiq-kidscore_momhs" =
    regression_model("kidiq", "kidiq-kidscore_momhs", kid_score ~ mom_hs, sigma = "cauchy(0, 2.5)"),
  "kidiq-kidscore_momiq" =
    regression_model("kidiq", "kidiq-kidscore_momiq", kid_score ~ mom_iq, sigma = "cauchy(0, 2.5)"),
  "kidiq_with_mom_work-kidscore_interaction_c" = regression_model("kidiq_with_mom_work",
    "kidiq_with_mom_work-kidscore_interaction_c", kid_score ~ c_mom_hs + c_mom_iq + c_mom_hs:c_mom_iq),
  "kidiq_with_mom_work-kidscore_mom_work" = regression_model("kidiq_with_mom_work",
    "kidiq_with_mom_work-kidscore_mom_work", kid_score ~ factor(mom_work)))

mesquite_models <- list(
  "mesquite-mesquite" = regression_model("mesquite", "mesquite-mesquite",
    weight ~ diam1 + diam2 + canopy_height + total_height + density + group),
  "mesquite-logmesquite" = regression_model("mesquite", "mesquite-logmesquite",
    log_weight ~ log_diam1 + log_diam2 + log_canopy_height + log_total_height + log_density + group),
  "mesquite-logmesquite_logva" = regression_model("mesquite", "mesquite-logmesquite_logva",
    log_weight ~ log_canopy_volume + log_canopy_area + group),
  "mesquite-logmesquite_logvolume" =
    regression_model("mesquite", "mesquite-logmesquite_logvolume", log_weight ~ log_canopy_volume))

nes_model <- function(year) {
  regression_model(paste0("nes", year), paste0("nes", year, "-nes"),
    partyid7 ~ real_ideo + race_adj + age30_44 + age45_64 + age65up + educ1 + gender + income)
}
nes_models <- list("nes1972-nes" = nes_model(1972), "nes1976-nes" = nes_model(1976), "nes1980-nes" = nes_model(1980),
                   "nes1984-nes" = nes_model(1984), "nes1992-nes" = nes_model(1992))

radon_prior <- c(Intercept = "normal(0, 10)", b = "normal(0, 10)", sd = "normal(0, 1)", sigma = "normal(0, 1)")
radon_model <- function(data, model, formula, prior = radon_prior, ...) {
  reference_model(data, paste0(data, "-", model), formula, "gaussian", prior, ...)
}
radon_models <- list(
  "radon_mn-radon_pooled" =
    radon_model("radon_mn", "radon_pooled", log_radon ~ floor_measure, radon_prior[c("Intercept", "b", "sigma")]),
  "radon_mn-radon_partially_pooled" = radon_model("radon_mn", "radon_partially_pooled",
    log_radon ~ 1 + (1 | county), radon_prior[c("Intercept", "sd", "sigma")]),
  "radon_mn-radon_variable_intercept" =
    radon_model("radon_mn", "radon_variable_intercept", log_radon ~ floor_measure + (1 | county)),
  "radon_mn-radon_hierarchical_intercept" =
    radon_model("radon_mn", "radon_hierarchical_intercept", log_radon ~ log_uppm + floor_measure + (1 | county)),
  "radon_mn-radon_variable_intercept_slope" = radon_model("radon_mn", "radon_variable_intercept_slope",
    log_radon ~ floor_measure + (1 + floor_measure || county), slow = TRUE),
  "radon_all-radon_partially_pooled" = radon_model("radon_all", "radon_partially_pooled",
    log_radon ~ 1 + (1 | county), radon_prior[c("Intercept", "sd", "sigma")], slow = TRUE, stored = FALSE),
  "radon_all-radon_variable_intercept" = radon_model("radon_all", "radon_variable_intercept",
    log_radon ~ floor_measure + (1 | county), slow = TRUE, stored = FALSE))

# pilots: a[j] ~ Normal(10 mu_a, .), b[k] ~ Normal(10 mu_b, .), mu ~ Normal(0, 1): two means of prior sd 10, or one
# intercept of prior sd 10 sqrt(2), which is the same posterior. Both are fitted.
pilots_prior <- c(sd = "uniform(0, 100)", sigma = "uniform(0, 100)")
pilots_heavy <- c("sd_group_id__Intercept", "b_Intercept", paste0("r_group_id[", 1:5, "|Intercept]"))
pilots_models <- list(
  "pilots-pilots" = reference_model("pilots", "pilots-pilots", y ~ 1 + (1 | group_id) + (1 | scenario_id), "gaussian",
    c(Intercept = "normal(0, 14.142135623730951)", pilots_prior), no_sd = pilots_heavy, adapt_delta = 0.95),
  "pilots-two_means" = reference_model("pilots", "pilots-pilots",
    y ~ 0 + tw_re(group_id, mean = "normal(0, 10)") + tw_re(scenario_id, mean = "normal(0, 10)"), "gaussian",
    pilots_prior, no_sd = pilots_heavy, adapt_delta = 0.95))

small_models <- list(
  "eight_schools-eight_schools_noncentered" = reference_model("eight_schools",
    "eight_schools-eight_schools_noncentered", y | se(sigma) ~ 1 + (1 | school), "gaussian",
    c(Intercept = "normal(0, 5)", sd = "cauchy(0, 5)")),
  "kilpisjarvi_mod-kilpisjarvi" = reference_model("kilpisjarvi_mod", "kilpisjarvi_mod-kilpisjarvi", y ~ x, "gaussian",
    c(Intercept = "normal(9.3129032258064495, 100)", b = "normal(0, 0.033333333333333298)", sigma = "flat")),
  "sblri-blr" = reference_model("sblri", "sblri-blr", y ~ 0 + x1 + x2 + x3 + x4 + x5, "gaussian",
    c(b = "normal(0, 10)", sigma = "normal(0, 10)")),
  "GLM_Poisson_Data-GLM_Poisson_model" = reference_model("GLM_Poisson_Data", "GLM_Poisson_Data-GLM_Poisson_model",
    C ~ year + year2 + year3, "poisson", c(b = "flat", Intercept = "flat")),
  "GLMM_Poisson_data-GLMM_Poisson_model" = reference_model("GLMM_Poisson_data",
    "GLMM_Poisson_data-GLMM_Poisson_model", C ~ year + year2 + year3 + (1 | obs), "poisson",
    c(b = "flat", Intercept = "flat", sd = "uniform(0, 5)")))

# Posteriors of this project's own making ------------------------------------------------------------------------

count_prior <- c(Intercept = "normal(0, 5)", b = "normal(0, 2.5)", shape = "gamma(0.01, 0.01)")

# Two donors: given sd = s the likelihood falls as 1 / s, the half-t(3) prior as s^-4, so the fourth moment is infinite.
kang_model <- function(gene, slow = FALSE) {
  name <- paste0("kang_mono_", gene)
  reference_model(name, name, y ~ condition + (1 | donor) + offset(log_size), "negbinomial",
                  c(count_prior, sd = "student_t(3, 0, 1)"), transform = ~ list(donor = factor(donor)),
                  no_sd = "sd_donor__Intercept", adapt_delta = 0.95, slow = slow)
}
glioblastoma_model <- function(gene, slow = FALSE) {
  name <- paste0("glioblastoma_", gene)
  reference_model(name, name, y ~ condition + (1 + condition || donor) + offset(log_size), "negbinomial",
                  c(count_prior, sd = "student_t(3, 0, 1)"), slow = slow)
}
count_models <- list(
  kang_mono_ISG15 = kang_model("ISG15"), kang_mono_FTL = kang_model("FTL", slow = TRUE),
  kang_mono_LY6E = kang_model("LY6E", slow = TRUE),
  glioblastoma_SPP1 = glioblastoma_model("SPP1"),
  glioblastoma_MT2A = glioblastoma_model("MT2A", slow = TRUE),
  quine_nb = reference_model("quine_nb", "quine_nb", Days ~ Sex + Age + Eth + Lrn, "negbinomial", count_prior),
  grouseticks_nb_crossed = reference_model("grouseticks_nb_crossed", "grouseticks_nb_crossed",
    TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), "negbinomial",
    c(count_prior, sd = "student_t(3, 0, 2.5)"), transform = ~ list(YEAR = factor(YEAR))))

screen_sds <- c("sd:Intercept:gene" = "exponential(0.5)", "sd:Intercept:cell_line" = "exponential(0.5)",
                sigma = "exponential(1)")
screen_two_means <- logfc ~ 0 + tw_re(gene, mean = "normal(-1, 2)") + tw_re(cell_line, mean = "normal(0, 2)")
slope_prior <- c(Intercept = "normal(0, 5)", b = "normal(0, 2)", "sd:Intercept:gene" = "normal(0, 5)",
                 "sd:rna:gene" = "normal(0, 2)", sigma = "normal(0, 5)")

# The crossed screen three times: with one intercept; with two free means against the same reference (b_Intercept is
# their sum); and with two free means against the summary that the original program printed.
gaussian_models <- list(
  crispr_sim_crossed = reference_model("crispr_sim_crossed", "crispr_sim_crossed",
    logfc ~ 1 + (1 | gene) + (1 | cell_line), "gaussian",
    c(Intercept = "normal(-1, 2.8284271247461903)", screen_sds)),
  crispr_sim_crossed_two_means = reference_model("crispr_sim_crossed", "crispr_sim_crossed", screen_two_means,
    "gaussian", screen_sds),
  crispr_sim_crossed_printed = reference_model("crispr_sim_crossed", "crispr_sim_printed_crossed", screen_two_means,
    "gaussian", screen_sds),
  crispr_sim_varying_slope = reference_model("crispr_sim_varying_slope", "crispr_sim_varying_slope",
    logfc ~ rna + (1 + rna || gene), "gaussian", slope_prior),
  crispr_sim_varying_slope_printed = reference_model("crispr_sim_varying_slope", "crispr_sim_printed_slope",
    logfc ~ rna + (1 + rna || gene), "gaussian", slope_prior),
  penicillin_crossed = reference_model("penicillin_crossed", "penicillin_crossed",
    diameter ~ 1 + (1 | plate) + (1 | sample), "gaussian",
    c(Intercept = "normal(23, 10)", sd = "student_t(3, 0, 2.5)", sigma = "student_t(3, 0, 2.5)")),
  sleepstudy_corr = reference_model("sleepstudy_corr", "sleepstudy_corr",
    Reaction ~ Days + (1 + Days | Subject), "gaussian",
    c(Intercept = "normal(250, 100)", b = "normal(0, 50)", sd = "student_t(3, 0, 40)",
      sigma = "student_t(3, 0, 40)", cor = "lkj(1)")))

reference_models <- function() {
  c(small_models, gaussian_models, count_models, pilots_models, earnings_models, kidiq_models, mesquite_models,
    nes_models, radon_models)
}
