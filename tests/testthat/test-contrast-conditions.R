# Contrasts: what users write gives the weights that the model matrix says.

design_model <- function(design, data) quiet_if(2, new_gene_model(response_formula(design), data, negbinomial(), NULL, NULL, 2))


test_that("cond() is arithmetic with conditions", {
  a <- cond(dose = "low")
  b <- cond(dose = "none", age = 3)
  d <- (a + cond(dose = "high")) / 2 - 3 * b
  expect_identical(d$weights, c(0.5, 0.5, -3))
  expect_identical(d$values[[3]], list(dose = "none", age = 3))
  expect_identical((-a)$weights, -1)
  expect_identical(format_cond(a - b), "cond(dose = \"low\") - cond(dose = \"none\", age = 3)")
  expect_output(print(a - 2 * b), "- 2 \\* cond")
  expect_error(a * b, class = "twill_error_contrast")
  expect_error(a + 1, class = "twill_error_contrast")
  expect_error(cond("low"), class = "twill_error_contrast")
  expect_error(cond(dose = c("low", "high")), "dose", class = "twill_error_contrast")
})

test_that("weights are differences of rows of the model matrix", {
  data <- three_by_two()
  model <- design_model(~ dose * sex + poly(age, 2) + (1 + dose || donor), data)
  x <- model.matrix(~ dose * sex + poly(age, 2), data)
  at <- function(dose, sex) which(data$dose == dose & data$sex == sex)[1]
  rows <- c(at("high", "m"), at("none", "f"))
  weights <- resolve_contrast(model, cond(dose = "high", sex = "m", age = data$age[rows[1]]) -
                                cond(dose = "none", sex = "f", age = data$age[rows[2]]))
  expect_equal(weights$x, unname(x[rows[1], ] - x[rows[2], ]))
  expect_equal(drop(weights$terms[[1]]$weights), c(Intercept = 0, doselow = 0, dosehigh = 1))
})

test_that("variables that are not named stand at their reference", {
  model <- design_model(~ dose * sex + age + (1 | donor), three_by_two())
  weights <- resolve_contrast(model, cond(dose = "low") - cond(dose = "none"))
  expect_identical(contrast_coefs(model)[weights$x != 0], "doselow")
  male <- resolve_contrast(model, cond(dose = "low", sex = "m") - cond(dose = "none", sex = "m"))
  expect_identical(contrast_coefs(model)[male$x != 0], c("doselow", "doselow:sexm"))
})

test_that("all ways to say a contrast agree", {
  model <- design_model(~ dose + sex + (1 + dose | donor), three_by_two())
  by_cond <- resolve_contrast(model, cond(dose = "high") - cond(dose = "low"))
  ways <- list(c("dose", "high", "low"), "dosehigh - doselow", c(dosehigh = 1, doselow = -1), c(b_dosehigh = 1, b_doselow = -1),
               c(0, -1, 1, 0))
  for (way in ways) {
    weights <- resolve_contrast(model, way)
    expect_equal(weights$x, by_cond$x)
    expect_equal(drop(weights$terms[[1]]$weights), drop(by_cond$terms[[1]]$weights))
  }
  expect_equal(resolve_contrast(model, "dosehigh")$x, c(0, 0, 1, 0))
  expect_equal(resolve_contrast(model, "(dosehigh + doselow) / 2")$x, c(0, 0.5, 0.5, 0))
})

test_that("groups whose levels differ between the sides are told apart", {
  model <- design_model(~ dose + (1 | donor) + (1 | donor:dose), three_by_two())
  weights <- resolve_contrast(model, cond(dose = "high") - cond(dose = "none"))
  expect_identical(unname(weights$terms[[1]]$weights[, 1]), 0)
  expect_identical(unname(weights$terms[[2]]$weights[, 1]), c(1, -1))
  expect_identical(weights$terms[[2]]$values, list(list(dose = "high"), list(dose = "none")))
})

test_that("free means are coefficients of the same condition", {
  model <- design_model(~ 0 + tw_re(1 + age || donor, mean = "normal(0, 5)"), three_by_two())
  weights <- resolve_contrast(model, cond(age = 2) - cond(age = 1))
  expect_identical(weights$x, c(0, 1))
})

test_that("mistakes in contrasts are named", {
  model <- design_model(~ dose + age + (1 | donor), three_by_two())
  expect_error(resolve_contrast(model, cond(dosis = "high")), "dose", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, cond(dose = "hihg")), "high", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, cond(age = "old")), "number", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, "dosehihg"), "dosehigh", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, "dosehigh * doselow"), "linear", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, "dosehigh + 1"), "linear", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, c(1, 2)), "2 weights", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, c(doselo = 1)), "doselo", class = "twill_error_contrast")
  expect_error(resolve_contrast(model, TRUE), class = "twill_error_contrast")
  expect_error(only_coefficient(model), "doselow", class = "twill_error_contrast")
  expect_identical(only_coefficient(design_model(~ 1 + (1 | donor), three_by_two())), "Intercept")
})

test_that("weights whose squares a computer does not hold are refused", {
  fit <- twill_genes(with_fixed_seed(2, matrix(rpois(24, 50), 2)), ~ 1 + (1 | g), col_data = data.frame(g = gl(4, 3)), chains = 1,
                     iter = 60, seed = 1, silent = 2)
  for (weight in c(-1e-300, 1e-101, 1e101, 1e308)) {
    refused <- function(code) expect_error(code, "Weights of a contrast", class = "twill_error_contrast")
    refused(tw_contrast(fit, weight))
    refused(tw_spread(fit, weight))
    refused(tw_contrast(fit, sprintf("%g * Intercept", weight)))
    refused(tw_contrast(fit, cond() * weight))
  }
  expect_equal(tw_spread(fit, 1e-90)$response, 1e-90 * tw_spread(fit, 1)$response)
})
