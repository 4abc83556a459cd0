# Compares posteriors under the weak default priors with maximum likelihood estimates of classic mixed models.
#
# Estimates (REML for gaussian models unless said, Laplace for counts) by lme4 1.1.31, glmmTMB 1.1.5 and MASS 7.3.58.2
# in R 4.2.2. Not here: cbpp (binomial, a family that twill does not have).

sleepstudy_indep <- list(data = "lme4::sleepstudy", formula = Reaction ~ Days + (1 + Days || Subject), # ML
  b = c(Intercept = 251.4051, Days = 10.46729), se = c(6.70774, 1.51931),
  other = c(sd_Subject__Intercept = 24.17159, sd_Subject__Days = 5.799366, sigma = 25.55612))
sleepstudy_corr <- list(data = "lme4::sleepstudy", formula = Reaction ~ Days + (1 + Days | Subject),
  b = c(Intercept = 251.4051, Days = 10.46729), se = c(6.8246, 1.54579),
  other = c(sd_Subject__Intercept = 24.74066, sd_Subject__Days = 5.922138, sigma = 25.5918))
penicillin <- list(data = "lme4::Penicillin", formula = diameter ~ 1 + (1 | plate) + (1 | sample),
  b = c(Intercept = 22.97222), se = 0.808595,
  other = c(sd_plate__Intercept = 0.8467025, sd_sample__Intercept = 1.931614, sigma = 0.5499227))
pastes <- list(data = "lme4::Pastes", formula = strength ~ 1 + (1 | batch) + (1 | batch:cask),
  b = c(Intercept = 60.05333), se = 0.67687,
  other = c("sd_batch:cask__Intercept" = 2.904078, sd_batch__Intercept = 1.287365, sigma = 0.8234075))
dyestuff <- list(data = "lme4::Dyestuff", formula = Yield ~ 1 + (1 | Batch), b = c(Intercept = 1527.5), se = 19.3834,
  other = c(sd_Batch__Intercept = 42.0006, sigma = 49.5101))
machines <- list(data = "nlme::Machines", formula = score ~ Machine + (1 | Worker) + (1 | Worker:Machine),
  b = c(Intercept = 52.35556, MachineB = 7.966667, MachineC = 13.91667), se = c(2.48583, 2.17698, 2.17698),
  other = c("sd_Worker:Machine__Intercept" = 3.729538, sd_Worker__Intercept = 4.781051, sigma = 0.9615766))
orthodont <- list(data = "nlme::Orthodont", formula = distance ~ age8 * Sex + (1 + age8 | Subject), # ML
  transform = function(d) transform(as.data.frame(d), age8 = age - 8, Subject = factor(Subject, ordered = FALSE)),
  b = c(Intercept = 22.61563, age8 = 0.784375, SexFemale = -1.406534, "age8:SexFemale" = -0.3048295),
  se = c(0.506626, 0.0827534, 0.793731, 0.12965),
  other = c(sd_Subject__Intercept = 1.704516, sigma = 1.31004))

centred_height <- function(d) transform(d, cHEIGHT = (HEIGHT - mean(HEIGHT)) / 100)
grouse_poisson <- list(data = "lme4::grouseticks", family = "poisson", transform = centred_height, slow = TRUE,
  formula = TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION),
  b = c(Intercept = 0.3727871, YEAR96 = 1.180407, YEAR97 = -0.9786882, cHEIGHT = -2.376041),
  se = c(0.196364, 0.238121, 0.262773, 0.343829),
  other = c(sd_INDEX__Intercept = 0.5415083, sd_BROOD__Intercept = 0.7500312, sd_LOCATION__Intercept = 0.5287202))
grouse_nb <- list(data = "lme4::grouseticks", family = "negbinomial", transform = centred_height,
  formula = TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION),
  b = c(Intercept = 0.5237174, YEAR96 = 1.167172, YEAR97 = -0.9882468, cHEIGHT = -2.367842),
  se = c(0.19475, 0.232894, 0.257105, 0.350844),
  other = c(sd_BROOD__Intercept = 0.6979668, sd_LOCATION__Intercept = 0.5933619, shape = 3.29301))
quine <- list(data = "MASS::quine", family = "negbinomial", formula = Days ~ Sex + Age + Eth + Lrn,
  b = c(Intercept = 2.89458, SexM = 0.08232026, AgeF1 = -0.4484281, AgeF2 = 0.08808014, AgeF3 = 0.3569009,
        EthN = -0.5693717, LrnSL = 0.2921091),
  se = c(0.228425, 0.159915, 0.239747, 0.236193, 0.248324, 0.153333, 0.186475), other = c(shape = 1.274893))
owls <- list(data = "glmmTMB::Owls", family = "negbinomial",
  formula = SiblingNegotiation ~ FoodTreatment * SexParent + offset(log(BroodSize)) + (1 | Nest),
  b = c(Intercept = 0.7083533, FoodTreatmentSatiated = -0.7676915, SexParentMale = -0.02586316,
        "FoodTreatmentSatiated:SexParentMale" = 0.157733),
  se = c(0.134748, 0.165654, 0.146068, 0.20561), other = c(sd_Nest__Intercept = 0.3522712, shape = 0.8419939))

mixed_models <- list(
  sleepstudy_indep = sleepstudy_indep, sleepstudy_corr = sleepstudy_corr, penicillin = penicillin, pastes = pastes,
  dyestuff = dyestuff, machines = machines, orthodont = orthodont, grouse_poisson = grouse_poisson,
  grouse_nb = grouse_nb, quine = quine, owls = owls)

mixed_data <- function(model) {
  name <- strsplit(model$data, "::", fixed = TRUE)[[1]]
  skip_if_not_installed(name[1])
  place <- new.env()
  utils::data(list = name[2], package = name[1], envir = place)
  if (is.null(model$transform)) place[[name[2]]] else model$transform(place[[name[2]]])
}

mixed_fit <- function(model) {
  family <- if (is.null(model$family)) "gaussian" else model$family
  twill(model$formula, data = mixed_data(model), family = reference_family(family), chains = 2, iter = 1500, cores = 2,
        seed = 1, silent = 2, refresh = 0)
}

# A posterior under a weak prior is not the likelihood: the estimate must lie where the posterior has its mass (its
# central 90 %), and a posterior median of a positive quantity within a factor 1.6 (a few groups only: 6 batches) of it.
expect_estimates <- function(fit, model) {
  draws <- posterior::as_draws_matrix(fit)
  means <- colMeans(draws[, paste0("b_", names(model$b)), drop = FALSE])
  expect_lt(max(abs(means - model$b) / model$se), 1, label = "distance of the means from the estimates in se")
  for (name in names(model$other)) {
    own <- as.numeric(draws[, name])
    expect_lt(abs(log(stats::median(own) / model$other[[name]])), log(1.6), label = paste("log ratio of", name))
    below <- mean(own < model$other[[name]])
    expect_true(below > 0.05 && below < 0.95, label = sprintf("%s's estimate inside the posterior (%.3f)", name, below))
  }
}

for (name in names(mixed_models)) {
  test_that(paste("the posterior under default priors lies about the likelihood estimate:", name), {
    skip_on_cran()
    is_slow <- isTRUE(mixed_models[[name]]$slow)
    skip_if(is_slow && Sys.getenv("TWILL_SLOW") != "true", "slow (set TWILL_SLOW=true)")
    expect_estimates(mixed_fit(mixed_models[[name]]), mixed_models[[name]])
  })
}
