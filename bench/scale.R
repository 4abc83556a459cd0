# Large crossed Gaussian models: time, effective draws and peak memory against rows and levels; lme4's point estimates beside.
#
#     Rscript bench/scale.R                                      # four sizes of a pooled screen, up to 0.8 million rows
#     Rscript bench/scale.R --sizes 100x50 --models screen_line  # genes x lines, with an effect for each gene in each line
#     Rscript bench/scale.R --sizes 300x200 --models ratings     # 300 raters x 200 items, one pair in twenty is rated
#     Rscript bench/scale.R --sizes 70000x10000 --one-in 70 --models ratings --lme4 no --save no     # 10 million ratings
#     Rscript bench/scale.R --missing 0.15                       # a share of the rows is missing
#     Rscript bench/scale.R --engines auto,levels --iter 400 --chains 2 --lme4 no --save no
#
# Each fit has a process of its own, so that memory is that of the fit. The last lines say how time and memory grow with rows.

suppressPackageStartupMessages(library(twill))
source("bench/process.R")

guides_per_gene <- 4

formulas <- list(
  screen = lfc ~ rna + (1 + rna | gene) + (1 | guide) + (1 | line),
  screen_line = lfc ~ rna + (1 + rna | gene) + (1 | guide) + (1 | line) + (1 | gene:line),
  ratings = rating ~ 1 + (1 | user) + (1 | item))

# `size` is genes and lines, or raters and items.
simulate_screen <- function(size, with_pairs) {
  n_guides <- guides_per_gene * size[1]
  guide <- rep(seq_len(n_guides), size[2])
  line <- rep(seq_len(size[2]), each = n_guides)
  gene <- (guide - 1) %/% guides_per_gene + 1
  pair <- (line - 1) * size[1] + gene
  rna <- stats::rnorm(prod(size))[pair]
  slopes <- 0.1 + 0.15 * stats::rnorm(size[1])
  lfc <- -0.3 + 0.5 * stats::rnorm(size[1])[gene] + slopes[gene] * rna + 0.3 * stats::rnorm(n_guides)[guide] +
    0.2 * stats::rnorm(size[2])[line] + 0.4 * stats::rnorm(length(guide))
  if (with_pairs) lfc <- lfc + 0.25 * stats::rnorm(prod(size))[pair]
  data.frame(lfc, rna, gene = factor(gene), guide = factor(guide), line = factor(line))
}

# Raters and items differ in how often they rate and are rated.
simulate_ratings <- function(size) {
  n <- round(prod(size) / as.numeric(option("one-in", 20)))
  user <- sample(size[1], n, TRUE, prob = stats::rexp(size[1]) + 0.05)
  item <- sample(size[2], n, TRUE, prob = stats::rexp(size[2]) + 0.05)
  rating <- 3.5 + 0.4 * stats::rnorm(size[1])[user] + 0.5 * stats::rnorm(size[2])[item] + 0.9 * stats::rnorm(n)
  data.frame(rating, user = factor(user), item = factor(item))
}

simulate <- function(model, size) {
  set.seed(1)
  data <- if (model == "ratings") simulate_ratings(size) else simulate_screen(size, model == "screen_line")
  missing <- as.numeric(option("missing", 0))
  if (missing == 0) data else droplevels(data[stats::runif(nrow(data)) > missing, ])
}

settings <- list(chains = as.integer(option("chains", 4)), iter = as.integer(option("iter", 600)),
                 warmup = as.integer(option("warmup", 300)), save = option("save", "yes") == "yes")

seconds <- function(clock) {
  spent <- proc.time() - clock
  c(processor = sum(spent[c("user.self", "sys.self", "user.child", "sys.child")]), wall = spent[["elapsed"]])
}

size_of <- function(data) data.frame(rows = nrow(data), levels = sum(vapply(Filter(is.factor, data), nlevels, 0L)))

run_twill <- function(model, size, engine) {
  data <- simulate(model, size)
  clock <- proc.time()
  fit <- twill(formulas[[model]], data, chains = settings$chains, iter = settings$iter, warmup = settings$warmup, seed = 1,
               silent = 2, save_pars = tw_save(group = settings$save), control = list(engine = engine))
  spent <- seconds(clock)
  main <- grep("^(b_|sd_|cor_|sigma)", variables(fit), value = TRUE)
  ess <- apply(as.array(fit)[, , main, drop = FALSE], 3, posterior::ess_bulk)
  rhat <- if (settings$chains > 1) max(rhat(fit, pars = main)) else NA
  row <- data.frame(size_of(data), engine = fit$info$engine, t(spent), ess = min(ess), rhat, memory = peak_memory(),
                    note = names(which.min(ess)))
  list(row = row, means = apply(as.array(fit)[, , main, drop = FALSE], 3, mean),
       sds = apply(as.array(fit)[, , main, drop = FALSE], 3, stats::sd))
}

# Under the names of twill's variables.
lme4_estimates <- function(fit) {
  plain <- function(name) gsub("(Intercept)", "Intercept", name, fixed = TRUE)
  table <- as.data.frame(lme4::VarCorr(fit))
  name <- ifelse(is.na(table$var2), sprintf("sd_%s__%s", table$grp, table$var1),
                 sprintf("cor_%s__%s__%s", table$grp, table$var1, table$var2))
  name[table$grp == "Residual"] <- "sigma"
  fixed <- lme4::fixef(fit)
  c(stats::setNames(fixed, paste0("b_", plain(names(fixed)))), stats::setNames(table$sdcor, plain(name)))
}

run_lme4 <- function(model, size) {
  data <- simulate(model, size)
  clock <- proc.time()
  fit <- lme4::lmer(formulas[[model]], data, control = lme4::lmerControl(calc.derivs = FALSE))
  row <- data.frame(size_of(data), engine = "lme4", t(seconds(clock)), ess = NA, rhat = NA, memory = peak_memory(),
                    note = "point estimates")
  list(row = row, means = lme4_estimates(fit))
}

# One case in a process of its own.
in_process <- function(model, size, engine) {
  file <- tempfile(fileext = ".rds")
  passed <- commandArgs(trailingOnly = TRUE)
  case <- paste(model, size, engine, file, sep = ",")
  out <- system2(file.path(R.home("bin"), "Rscript"), c("bench/scale.R", passed, "--case", case))
  if (out == 0 && file.exists(file)) readRDS(file)
}

run_case <- function(case) {
  size <- as.numeric(strsplit(case[2], "x")[[1]])
  run <- if (case[3] == "lme4") run_lme4(case[1], size) else run_twill(case[1], size, case[3])
  run$row <- cbind(model = case[1], size = case[2], run$row)
  saveRDS(run, case[4])
}

# How far means are from lme4's estimates of the same data, in posterior standard deviations: the furthest.
distance <- function(run, runs) {
  is_peer <- function(other) other$row$engine == "lme4" && identical(other$row[1:2], run$row[1:2])
  peer <- Filter(is_peer, runs)
  if (length(peer) == 0 || run$row$engine == "lme4") return(NA)
  max(abs(run$means - peer[[1]]$means[names(run$means)]) / run$sds)
}

# Exponent of the growth with rows.
growth <- function(rows, value) if (length(unique(rows)) < 2) NA else stats::coef(stats::lm(log(value) ~ log(rows)))[[2]]

report <- function(runs) {
  table <- do.call(rbind, lapply(runs, `[[`, "row"))
  table$z <- vapply(runs, function(run) as.numeric(distance(run, runs)), 0)
  table$rate <- table$ess / table$processor
  shown <- format(cbind(table[c("model", "size", "rows", "levels", "engine")], round(table[c("processor", "wall", "ess")], 1),
                        round(table["rhat"], 3), round(table[c("rate", "z")], 1), table[c("memory", "note")]))
  names(shown) <- c("model", "size", "rows", "levels", "engine", "processor s", "wall s", "least ESS", "R-hat", "ESS / s",
                    "from lme4", "MB", "of")
  print(shown, row.names = FALSE)
  for (model in unique(table$model)) {
    own <- table[table$model == model & table$engine != "lme4", ]
    cat(sprintf("%s: seconds grow as rows^%.2f, memory as rows^%.2f\n", model, growth(own$rows, own$processor),
                growth(own$rows, own$memory)))
  }
}

main <- function() {
  case <- option("case", NULL)
  if (!is.null(case)) return(run_case(strsplit(case, ",")[[1]]))
  engines <- c(option_list("engines", "auto"), if (option("lme4", "yes") == "yes") "lme4")
  cases <- expand.grid(engine = engines, size = option_list("sizes", "50x50,100x100,400x100,1000x200"),
                       model = option_list("models", "screen"), stringsAsFactors = FALSE)
  runs <- lapply(seq_len(nrow(cases)), function(i) in_process(cases$model[i], cases$size[i], cases$engine[i]))
  report(Filter(Negate(is.null), runs))
}

invisible(main())
