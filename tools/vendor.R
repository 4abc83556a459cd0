# Makes src/rust/vendor.tar.xz, the crates' sources for an offline installation of the tarball.
#
#   Rscript tools/vendor.R [OUTPUT]
#
# `cargo vendor` gives every crate of Cargo.lock, for every platform: four times what a repository
# of packages accepts. Crates that no target of tools/vendor-targets.txt compiles become stubs
# (Cargo.toml and empty sources), and the others lose what is not compiled, test data first, and lines
# of documentation, which stay empty. Cargo accepts all this once the checksum files say so.
source("tools/crates.R")

empty_sha256 <- "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
# Modules of tests are only used when a crate's own tests are compiled, but `mod test;` may want the file to be there.
not_compiled <- paste0("^src/(.*/)?tests?(/|\\.rs$)",
                       "|^(tests?|test_data|bench(es)?|examples?|docs?|assets|ci|fuzz|\\.github)/",
                       "|^(Cargo\\.lock|Cargo\\.toml\\.orig|CHANGELOG.*|RELEASES.*)$")
# Bindings of CUDA's other libraries, behind features that are off: three quarters of the crate. Of libc, systems that no target
# of tools/vendor-targets.txt is.
not_compiled_of <- list(
  cudarc = paste0("^src/(cublas|cublaslt|cudnn|cufft|cufile|cupti|curand|cusolver|cusolvermg|",
                  "cusparse|cutensor|nccl|nvtx|runtime)/"),
  libc = paste0("^src/(fuchsia|helenos|hermit|psp|qurt|sgx|solid|switch|teeos|trusty|vxworks|wasi|xous)(/|\\.rs$)",
                "|^src/unix/(aix|cygwin|haiku|hurd|newlib|nto|nuttx|redox|solarish|bsd/(freebsdlike|netbsdlike))/",
                "|^src/unix/linux_like/(android|emscripten|l4re|linux/(musl|uclibc|gnu/b32|arch/(mips|powerpc|sparc)))/",
                "|^src/unix/linux_like/linux/gnu/b64/(loongarch64|mips64|powerpc64|riscv64|s390x|sparc64)(/|\\.rs$)"))

# Paths of the sources that a manifest names ([lib], [[bin]], [[test]], ..., the build script), and
# of those that cargo finds without being told (manifests of older crates).
named_sources <- function(crate) {
  lines <- readLines(file.path(crate, "Cargo.toml"), warn = FALSE)
  lines <- grep('^(path|build) = "', lines, value = TRUE)
  implied <- c("src/lib.rs", "src/main.rs", "build.rs")
  implied <- implied[file.exists(file.path(crate, implied))]
  unique(c(sub('^(path|build) = "([^"]+)".*$', "\\2", lines), implied))
}

empty_files <- function(crate, paths) {
  for (path in file.path(crate, paths)) {
    dir.create(dirname(path), recursive = TRUE, showWarnings = FALSE)
    file.create(path)
  }
}

read_checksums <- function(crate) {
  jsonlite::read_json(file.path(crate, ".cargo-checksum.json"))
}

write_checksums <- function(crate, checksums, files) {
  checksums$files <- structure(files, names = if (length(files)) names(files) else character())
  jsonlite::write_json(checksums, file.path(crate, ".cargo-checksum.json"), auto_unbox = TRUE)
}

keep_only <- function(crate, kept) {
  all <- list.files(crate, all.files = TRUE, recursive = TRUE)
  unlink(file.path(crate, setdiff(all, c(kept, "Cargo.toml", ".cargo-checksum.json"))))
}

make_stub <- function(crate) {
  sources <- named_sources(crate)
  keep_only(crate, character())
  empty_files(crate, sources)
  write_checksums(crate, read_checksums(crate), list())
}

trim <- function(crate) {
  checksums <- read_checksums(crate)
  files <- checksums$files
  dropped <- grepl(not_compiled, names(files))
  own <- not_compiled_of[[sub("-[0-9][^-]*$", "", basename(crate))]]
  if (!is.null(own)) dropped <- dropped | grepl(own, names(files))
  kept <- files[!dropped]
  keep_only(crate, names(kept))
  wanted <- c(named_sources(crate), grep("^src/.*\\.rs$", names(files)[grepl(not_compiled, names(files))], value = TRUE))
  emptied <- intersect(wanted, names(files)[dropped])
  empty_files(crate, emptied)
  kept[emptied] <- empty_sha256
  # Files that have no checksum are not compared with one.
  sources <- grep("^src/.*\\.rs$", names(kept), value = TRUE)
  changed <- Filter(function(path) without_documentation(file.path(crate, path)), sources)
  if (startsWith(basename(crate), "private-gemm-x86-")) changed <- c(changed, only_double(crate))
  write_checksums(crate, checksums, kept[setdiff(names(kept), changed)])
}

# Whether a source had lines of documentation (`///`, `//!`), which are emptied, unless they speak of rights. Files with raw
# strings, in which such a line could stand, are left alone.
without_documentation <- function(file) {
  lines <- readLines(file, warn = FALSE, encoding = "bytes")
  at <- setdiff(grep("^[ \t]*//[/!]", lines, useBytes = TRUE),
                grep("copyright|licen[cs]e|spdx", lines, ignore.case = TRUE, useBytes = TRUE))
  if (length(at) == 0 || any(grepl("r#+\"", lines, useBytes = TRUE))) return(FALSE)
  lines[at] <- ""
  writeLines(lines, file, useBytes = TRUE)
  TRUE
}

# faer's products of matrices on x86 are 1.9 MB of assembly for four types of numbers, which the crate's build script writes and
# which go into the library as one piece. twill has matrices of doubles alone: kernels of other types become a trap, 1.5 MB less.
only_double <- function(crate) {
  file <- file.path(crate, "build.rs")
  lines <- readLines(file)
  kernel <- "let \\(name, f\\) = (target\\.(microkernel|pack_lhs)\\(.*\\));"
  at <- grep(kernel, lines)
  if (length(at) != 7L) stop("private-gemm-x86 has another build script: see only_double() in tools/vendor.R")
  lines[at] <- sub(kernel, "let (name, f) = only_double(\\1, target.ty);", lines[at])
  writeLines(c(lines,
               "fn only_double((name, code): (String, String), ty: Ty) -> (String, String) {",
               "\tif ty == Ty::F64 { return (name, code); }",
               "\tlet trap = std::format!(\".globl {name}\\n{name}:\\nud2\\n\");",
               "\t(name, trap)",
               "}"), file)
  "build.rs"
}

write_config <- function(folder) {
  dir.create(file.path(folder, ".cargo"))
  writeLines(c("[source.crates-io]", 'replace-with = "vendored-sources"', "",
               "[source.vendored-sources]", 'directory = "vendor"'),
             file.path(folder, ".cargo", "config.toml"))
}

# Names, times and owners are fixed, so that the same crates give the same file.
pack <- function(folder, output) {
  tar <- paste("tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C",
               shQuote(folder), "-cf - .cargo vendor | xz -9e >", shQuote(output))
  if (system(tar) != 0) stop("could not write ", output)
}

vendor <- function(output) {
  folder <- tempfile("vendor")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  crates <- file.path(folder, "vendor")
  cargo("vendor", "--locked", "--versioned-dirs", "--manifest-path", manifest, shQuote(crates))
  used <- used_crates()
  all <- list.files(crates)
  for (name in setdiff(all, used)) make_stub(file.path(crates, name))
  for (name in intersect(all, used)) trim(file.path(crates, name))
  write_config(folder)
  pack(folder, output)
  cat(sprintf("%s: %d crates, %d of them stubs, %.1f MB\n", output, length(all),
              length(setdiff(all, used)), file.size(output) / 1e6))
}

output <- c(commandArgs(trailingOnly = TRUE), "src/rust/vendor.tar.xz")[[1]]
vendor(output)
