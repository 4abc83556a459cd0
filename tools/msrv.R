# Finds cargo and rustc, and stops with advice if they are missing or older than DESCRIPTION asks.

required_rustc <- function() {
  needs <- read.dcf("DESCRIPTION", fields = "SystemRequirements")[[1]]
  numeric_version(sub(".*rustc >= ([0-9.]+).*", "\\1", needs))
}

# Folders that may hold cargo: what the user names, the search path, then rustup's own folder,
# which is often missing from the path of a session started by a desktop.
toolchain_folders <- function() {
  home <- Sys.getenv(if (.Platform$OS.type == "windows") "USERPROFILE" else "HOME")
  named <- c(Sys.getenv("CARGO"), Sys.which("cargo"))
  folders <- c(dirname(named[nzchar(named)]),
               file.path(Sys.getenv("CARGO_HOME", file.path(home, ".cargo")), "bin"))
  unique(folders)
}

# First line that a tool prints, or NA if it is absent or broken.
version_line <- function(folder, tool, argument = "--version") {
  program <- Sys.which(file.path(folder, tool))
  if (!nzchar(program)) return(NA_character_)
  lines <- suppressWarnings(tryCatch(
    system2(program, argument, stdout = TRUE, stderr = FALSE), error = function(e) character()))
  if (length(lines) == 0) NA_character_ else lines[[1]]
}

rustc_version <- function(line) {
  number <- regmatches(line, regexpr("[0-9]+\\.[0-9]+\\.[0-9]+", line))
  if (is.na(line) || length(number) == 0) numeric_version("0") else numeric_version(number)
}

describe_toolchain <- function(folder) {
  list(folder = folder, cargo = version_line(folder, "cargo"),
       rustc = version_line(folder, "rustc"))
}

toolchain_advice <- function(found, required) {
  seen <- vapply(found, function(x) sprintf("  %s: %s, %s", x$folder, x$cargo, x$rustc), "")
  c(sprintf("twill needs cargo and rustc >= %s to be installed from source.", required),
    if (length(seen)) c("Looked in (folder: cargo, rustc):", seen),
    "Install Rust in one of these ways, then install twill again:",
    "  - any system:  https://rustup.rs  (or, with rustup present: rustup update stable)",
    "  - Debian 13:   apt-get install cargo",
    "  - Debian 12:   apt-get install cargo-web rustc-web",
    "If Rust is in an unusual place, set the environment variable CARGO to its cargo program.")
}

# Returns the first toolchain that is recent enough; stops the installation if there is none.
find_toolchain <- function() {
  required <- required_rustc()
  found <- lapply(toolchain_folders(), describe_toolchain)
  usable <- Filter(function(x) {
    !is.na(x$cargo) && rustc_version(x$rustc) >= required
  }, found)
  if (length(usable)) return(usable[[1]])
  message(paste(toolchain_advice(found, required), collapse = "\n"))
  quit(save = "no", status = 1)
}
