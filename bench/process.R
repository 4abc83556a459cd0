# What benches share of their process: options on its command line, and its peak memory.

option <- function(name, default) {
  given <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), given)
  if (is.na(at)) default else given[at + 1]
}

option_list <- function(name, default) strsplit(option(name, default), ",")[[1]]

# In MB; NA where the system does not tell.
peak_memory <- function() memory_field("VmHWM")

resident_memory <- function() memory_field("VmRSS")

memory_field <- function(field) {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(), warning = function(w) character())
  line <- grep(paste0("^", field), status, value = TRUE)
  if (length(line)) round(as.numeric(gsub("[^0-9]", "", line)) / 1024) else NA
}
