# Reads the fuzzer into an environment of its own, `fuzz`, so that calls see the package and their data alone. tools/fuzz.R,
# its child processes and the test of continuous integration all begin here.
read_fuzzer <- function(folder) {
  fuzz <- new.env(parent = globalenv())
  fuzz$fuzz_folder <- normalizePath(folder)
  for (part in c("choose.R", "data.R", "models.R", "keeping.R", "one.R", "doors.R", "tables.R", "verbs.R", "chains.R",
      "properties.R",
                 "judge.R", "children.R")) {
    sys.source(file.path(folder, part), fuzz)
  }
  fuzz
}
