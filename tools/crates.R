# Which crates the released package is built from; shared by vendor.R and authors.R.

manifest <- "src/rust/Cargo.toml"
vendor_targets <- readLines("tools/vendor-targets.txt")

cargo <- function(...) {
  lines <- system2("cargo", c(...), stdout = TRUE)
  if (!is.null(attr(lines, "status"))) stop("cargo ", paste(..., collapse = " "), " failed")
  lines
}

# "name-version" of the crates compiled for one target: libraries, and what their builds run.
crates_for <- function(target) {
  lines <- cargo("tree", "--locked", "--manifest-path", manifest, "-e", "normal,build",
                 "--target", target, "--prefix", "none", "--format", shQuote("{p}"))
  lines <- lines[!grepl("(/", lines, fixed = TRUE)] # this crate: printed with its folder
  unique(sub("^(\\S+) v(\\S+).*$", "\\1-\\2", lines))
}

used_crates <- function() sort(unique(unlist(lapply(vendor_targets, crates_for))))
