# The model spec: what crosses to the engine as JSON, and the arrays that go with it.

# `parameters` is the table of resolve_priors(), in the order of the draws.
new_spec <- function(design, family, parameters, intercept, prior_only) {
  is_known <- takes_errors(family) && is.null(design$dispersion)
  spec <- list(family = unbox(family$family), sample_sigma = unbox(!is_known),
               coefficients = spec_coefficients(design, parameters), intercept = spec_intercept(design, intercept),
               dispersion = spec_dispersion(design, parameters, intercept), terms = spec_terms(design, parameters),
               horseshoes = spec_horseshoes(design, parameters), prior_only = unbox(prior_only))
  if (!is.null(design$latents)) spec$latents <- spec_latents(design, parameters)
  spec
}

unbox <- function(x) jsonlite::unbox(x)

# Numbers cross with 15 significant digits, the most that jsonlite writes; NULL becomes null.
to_json <- function(x) as.character(jsonlite::toJSON(x, digits = NA, null = "null"))

# A horseshoe's members carry a flat prior of their own, which the engine ignores.
spec_prior <- function(parsed) {
  if (record_of_prior(parsed)$is_split) return(list(dist = unbox("flat"), args = numeric()))
  list(dist = unbox(parsed$dist), args = parsed$args)
}

spec_coefficients <- function(design, parameters) {
  names <- unname(design$coef_names[sampled_columns(design)])
  rows <- match(names, parameters$variable)
  Map(function(name, parsed) list(name = unbox(name), prior = spec_prior(parsed)), names, parameters$parsed[rows]) |> unname()
}

# Centring only concerns the prior of the intercept: it is put on the intercept at the mean of the other regular
# columns. Free means keep their own meaning and are not centred.
spec_intercept <- function(design, intercept) {
  sampled <- sampled_columns(design)
  centred_intercept(design$coefficients$class[sampled], design$x[, sampled, drop = FALSE], intercept, design$merged$count)
}

centred_intercept <- function(class, x, intercept, count = NULL) {
  if (intercept == "raw" || !"Intercept" %in% class) return(NULL)
  centre <- ifelse(class == "b", column_means(x, count), 0)
  list(column = unbox(match("Intercept", class) - 1L), centre = unname(centre))
}

spec_dispersion <- function(design, parameters, intercept) {
  name <- design$dispersion
  if (is.null(name)) return(NULL)
  prior_of <- function(variable) spec_prior(parameters$parsed[[match(variable, parameters$variable)]])
  if (is.null(design$x_disp)) return(list(kind = unbox("constant"), name = unbox(name), prior = prior_of(name)))
  class <- parameters$class[match(design$disp_names, parameters$variable)]
  terms <- lapply(design$disp_terms, function(term) {
    list(group = unbox(term$group), levels = term$levels, coefs = term$coefs, sd_names = sd_names(term),
         sd_priors = lapply(sd_names(term), prior_of),
         information = dispersion_information(term, design, design$dispersion == "shape"))
  })
  c(list(kind = unbox("regression"), names = design$disp_names, priors = lapply(design$disp_names, prior_of),
         units = dispersion_units(design, class),
         intercept = centred_intercept(class, design$x_disp, intercept, design$merged$count)),
    if (length(terms) > 0) list(terms = terms), if (!is.null(design$disp_positive)) list(positive = design$disp_positive))
}

# What coefficients are sampled in: one over the sizes of their columns.
dispersion_units <- function(design, class) {
  size <- column_sizes(design$x_disp, any(class == "Intercept"), design$merged$count)
  is_slope <- class == "b" & !rep_len(design$disp_positive %||% FALSE, length(class))
  unname(ifelse(is_slope, 1 / size, 1))
}

spec_terms <- function(design, parameters) {
  lapply(design$terms, function(term) {
    parsed <- parameters$parsed[match(sd_names(term), parameters$variable)]
    list(group = unbox(term$group), levels = sampled_levels(term), coefs = term$coefs, sd_priors = lapply(parsed, spec_prior),
         cor = if (term$cor) spec_cor(term, parameters), by = spec_by(term), df = spec_df(term, parameters),
         horseshoe = unbox(has_tails(term) && !has_df(term)))
  })
}

spec_df <- function(term, parameters) {
  if (has_df(term)) spec_prior(parameters$parsed[[match(df_name(term$group), parameters$variable)]])
}

spec_by <- function(term) {
  if (!is.null(term$by)) list(classes = substring(term$by$suffix, 2), of_level = term$by$of_level - 1L)
}

spec_cor <- function(term, parameters) {
  parsed <- parameters$parsed[[match(paste0("cor_", term$group), parameters$variable)]]
  constant <- known_correlation(term, parsed)
  if (is.null(constant)) list(eta = unbox(parsed$args)) else list(eta = unbox(1), constant = constant)
}

# One entry per horseshoe of the user; members by 0-based column of x, or by term and coefficient.
spec_horseshoes <- function(design, parameters) {
  lapply(sort(unique(stats::na.omit(parameters$horseshoe))), function(id) {
    members <- parameters[which(parameters$horseshoe == id), ]
    c(horseshoe_members(members, design), horseshoe_numbers(members$parsed[[1]]$args, design))
  })
}

horseshoe_members <- function(members, design) {
  if (members$class[1] == "b") {
    return(list(on = unbox("b"), columns = match(members$variable, design$coef_names[sampled_columns(design)]) - 1L))
  }
  positions <- do.call(rbind, lapply(seq_along(design$terms), function(k) {
    names <- sd_names(design$terms[[k]])
    data.frame(name = names, term = k - 1L, coef = seq_along(names) - 1L)
  }))
  rows <- match(members$variable, positions$name)
  list(on = unbox("sd"), sds = unname(as.matrix(positions[rows, c("term", "coef")])))
}

# autoscale multiplies the global scale by sigma, so it needs one.
horseshoe_numbers <- function(args, design) {
  has_sigma <- identical(design$dispersion, "sigma") && is.null(design$x_disp)
  numbers <- args[c("df", "df_global", "scale_global", "df_slab", "scale_slab")]
  lapply(c(lapply(numbers, as.numeric), list(autoscale = isTRUE(as.logical(args$autoscale)) && has_sigma)), unbox)
}

# Numbers column by column, as the engine reads them; those that stand in the design as they are, since they can be large.
spec_arrays <- function(design) {
  design <- with_imputing_rows(numbered_sources(design))
  columns <- engine_columns(design)
  arrays <- list(y = as_doubles(design$y), offset = as_doubles(columns$offset), weights = as_doubles(design$weights),
       se = if (is.null(design$errors)) as_doubles(design$se) else double(), errors = design$errors$precision,
       x = as_doubles(columns$x), x_disp = as_doubles(engine_dispersion(design)),
       terms = lapply(design$terms, function(term) {
         term <- in_coordinates(term)
         z <- lapply(member_terms(term), `[[`, "z")
         c(list(codes = as.integer(term$codes), z = as_doubles(if (length(z) == 1) z[[1]] else do.call(rbind, z))),
           term["precision"[!is.null(term$precision)]])
       }))
  if (!is.null(design$latents)) arrays$latents <- latent_arrays(design)
  # Where there are squares, if only zeros, the engine merges no more.
  takes_squares <- isTRUE(design$merged$is_by_moments) || any(design$merged$squares > 0)
  if (is_merged(design) && takes_squares) arrays$squares <- as_doubles(design$merged$squares)
  arrays
}

as_doubles <- function(x) if (is.double(x)) x else as.double(x)

# The engine's input of a fit, rebuilt from what the fit keeps.
engine_input <- function(fit) list(spec_json = fit$spec_json, arrays = spec_arrays(fit$design))
