# Generics that belong to other packages, passed on so that users need not attach their owners.

#' @importFrom nlme fixef
#' @export
nlme::fixef

#' @importFrom nlme ranef
#' @export
nlme::ranef

#' @importFrom nlme VarCorr
#' @export
nlme::VarCorr

#' @importFrom posterior as_draws
#' @export
posterior::as_draws

#' @importFrom posterior as_draws_array
#' @export
posterior::as_draws_array

#' @importFrom posterior as_draws_df
#' @export
posterior::as_draws_df

#' @importFrom posterior as_draws_list
#' @export
posterior::as_draws_list

#' @importFrom posterior as_draws_matrix
#' @export
posterior::as_draws_matrix

#' @importFrom posterior as_draws_rvars
#' @export
posterior::as_draws_rvars

#' @importFrom posterior variables
#' @export
posterior::variables

#' @importFrom posterior nvariables
#' @export
posterior::nvariables

#' @importFrom posterior ndraws
#' @export
posterior::ndraws

#' @importFrom posterior nchains
#' @export
posterior::nchains

#' @importFrom posterior niterations
#' @export
posterior::niterations

#' @importFrom rstantools posterior_predict
#' @export
rstantools::posterior_predict

#' @importFrom rstantools posterior_epred
#' @export
rstantools::posterior_epred

#' @importFrom rstantools posterior_linpred
#' @export
rstantools::posterior_linpred

#' @importFrom rstantools posterior_interval
#' @export
rstantools::posterior_interval

#' @importFrom rstantools predictive_error
#' @export
rstantools::predictive_error

#' @importFrom rstantools predictive_interval
#' @export
rstantools::predictive_interval

#' @importFrom rstantools log_lik
#' @export
rstantools::log_lik

#' @importFrom rstantools bayes_R2
#' @export
rstantools::bayes_R2

#' @importFrom rstantools loo_R2
#' @export
rstantools::loo_R2

#' @importFrom rstantools loo_predict
#' @export
rstantools::loo_predict

#' @importFrom rstantools prior_summary
#' @export
rstantools::prior_summary

#' @importFrom loo loo
#' @export
loo::loo

#' @importFrom loo waic
#' @export
loo::waic

#' @importFrom loo kfold
#' @export
loo::kfold

#' @importFrom loo loo_compare
#' @export
loo::loo_compare

#' @importFrom bayesplot pp_check
#' @export
bayesplot::pp_check

#' @importFrom bayesplot nuts_params
#' @export
bayesplot::nuts_params

#' @importFrom bayesplot log_posterior
#' @export
bayesplot::log_posterior

#' @importFrom bayesplot rhat
#' @export
bayesplot::rhat

#' @importFrom bayesplot neff_ratio
#' @export
bayesplot::neff_ratio

#' @importFrom generics tidy
#' @export
generics::tidy

#' @importFrom generics glance
#' @export
generics::glance

#' @importFrom generics augment
#' @export
generics::augment
