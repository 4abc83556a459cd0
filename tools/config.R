# Called by configure: checks the toolchain and fills in src/Makevars.in (src/Makevars.win.in).
#
# Environment variables that it reads:
#   TWILL_CARGO_TARGET_DIR, CARGO_TARGET_DIR  folder for compiled crates; kept when named, so that
#                                             the next build is incremental. Default: removed.
#   TWILL_CARGO_JOBS, CARGO_BUILD_JOBS        compilations at a time. Default: 2.
#   TWILL_ONLINE=true                         ignore vendored crates, use the crate registry.
#   TWILL_CUDA=false                          no support of GPUs. (With it, nothing of CUDA is needed either.) A rustc that is
#                                             too old for them leaves them out by itself.
#   CARGO                                     path of cargo, if it is in an unusual place.
source("tools/msrv.R")

is_windows <- .Platform$OS.type == "windows"

first_set <- function(names, default) {
  values <- Sys.getenv(names)
  c(values[nzchar(values)], default)[[1]]
}

# Vendored crates are pruned to some targets; elsewhere the registry has to serve.
is_vendored <- function(toolchain) {
  if (!file.exists("src/rust/vendor.tar.xz") || Sys.getenv("TWILL_ONLINE") == "true") return(FALSE)
  rustc <- Sys.which(file.path(toolchain$folder, "rustc"))
  host <- sub("^host: ", "", grep("^host: ", system2(rustc, "-vV", stdout = TRUE), value = TRUE))
  covered <- host %in% readLines("tools/vendor-targets.txt")
  if (!covered) message("No vendored crates for ", host, ": using the crate registry.")
  covered
}

# The static library is linked whole: drop what is not reached, hide what is not R's entry point,
# and strip what only a debugger reads. Takes the shared object from 11 MB to 4. (Not `-s`, which
# saves little more: R CMD check reads the symbol table.)
link_flags <- function() {
  linux <- paste("-Wl,--gc-sections -Wl,--exclude-libs,ALL -Wl,--strip-debug -Wl,--discard-all",
                 "-lpthread -ldl -lm")
  if (Sys.info()[["sysname"]] == "Linux") linux else ""
}

# Local names of functions, half a megabyte: the linker only hides them.
strip_command <- function() {
  linux <- Sys.info()[["sysname"]] == "Linux" && nzchar(Sys.which("strip"))
  if (linux) "strip --discard-all $(SHLIB) || true" else "@true"
}

# CARGO_HOME moves in vendored mode, and where cargo could not write its registry: otherwise the
# user's cache and proxy settings are lost.
vendor_settings <- function(vendored) {
  own_home <- 'CARGO_HOME="$(CURDIR)/.cargo"'
  if (vendored) return(list(UNPACK = "tar xf rust/vendor.tar.xz", CARGO_ENV = own_home, OFFLINE = "--offline"))
  list(UNPACK = "@true", CARGO_ENV = if (has_cargo_home()) "" else own_home, OFFLINE = "")
}

has_cargo_home <- function() {
  home <- first_set("CARGO_HOME", file.path(Sys.getenv("HOME"), ".cargo"))
  if (is_windows || dir.exists(file.path(home, "registry"))) return(TRUE)
  file.access(if (dir.exists(home)) home else dirname(home), 2) == 0
}

target_settings <- function() {
  folder <- first_set(c("TWILL_CARGO_TARGET_DIR", "CARGO_TARGET_DIR"), "")
  if (nzchar(folder)) {
    folder <- normalizePath(folder, winslash = "/", mustWork = FALSE)
    return(list(TARGET_DIR = folder, REMOVE_TARGET = ""))
  }
  list(TARGET_DIR = "rust/target", REMOVE_TARGET = "rust/target")
}

fill_in <- function(template, settings) {
  text <- readLines(template)
  for (name in names(settings)) {
    text <- gsub(paste0("@", name, "@"), settings[[name]], text, fixed = TRUE)
  }
  writeLines(text, sub("\\.in$", "", template))
}

# What opens CUDA's libraries needs a newer Rust than all else.
rustc_for_cuda <- "1.88"

cargo_features <- function(toolchain) {
  without <- "--no-default-features --features r"
  if (Sys.getenv("TWILL_CUDA") == "false") return(without)
  if (rustc_version(toolchain$rustc) >= rustc_for_cuda) return("")
  message("Support of GPUs is left out: it needs rustc >= ", rustc_for_cuda, ". All else is there.")
  without
}

toolchain <- find_toolchain()
message("Using ", toolchain$cargo)
message("Using ", toolchain$rustc)
vendored <- is_vendored(toolchain)
message("Crates: ", if (vendored) "vendored, offline" else "from the crate registry")
settings <- c(
  list(CARGO_DIR = toolchain$folder, LINK_FLAGS = link_flags(), STRIP = strip_command(),
       FEATURES = cargo_features(toolchain),
       JOBS = first_set(c("TWILL_CARGO_JOBS", "CARGO_BUILD_JOBS"), "2")),
  vendor_settings(vendored), target_settings())
fill_in(if (is_windows) "src/Makevars.win.in" else "src/Makevars.in", settings)
