# Runs the fuzzer's calls in child processes, so that a call that takes R down, or never ends, is seen, reported and left
# behind.

# Findings of the calls `first`, ... of a door, as text. Call i has the seed `seed + i - 1`. The limit is long, since the
# clock also runs while other processes have the machine; what a call itself takes is looked at by judge().
fuzz_door <- function(door, seed, calls, first = 1, seconds_per_call = 300) {
  findings <- character()
  last <- first + calls - 1
  while (first <= last) {
    child <- start_child(door, seed, first, last - first + 1)
    end <- wait_for(child, seconds_per_call)
    findings <- c(findings, end$findings)
    if (end$how == "finished") break
    findings <- c(findings, sprintf("door %s, seed %d: R %s", door, seed + end$at - 1, end$how))
    first <- end$at + 1
  }
  findings
}

# The child writes to a log: its process, the number of each call as it begins, findings, and that it is through.
start_child <- function(door, seed, first, calls) {
  log <- tempfile("fuzz", fileext = ".log")
  code <- sprintf("source(%s); read_fuzzer(%s)$fuzz_child(%s, %d, %d, %d, %s)", in_quotes(file.path(fuzz_folder, "all.R")),
                  in_quotes(fuzz_folder), in_quotes(door), seed, first, calls, in_quotes(log))
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote(code)), env = paste0("R_LIBS=", shQuote(libraries)),
          stdout = paste0(log, ".out"), stderr = paste0(log, ".out"), wait = FALSE)
  list(log = log, first = first)
}

in_quotes <- function(x) encodeString(x, quote = "\"")

fuzz_child <- function(door, seed, first, calls, log) {
  tell <- function(what, text) cat(what, in_quotes(text), "\n", file = log, append = TRUE)
  tell("process", as.character(Sys.getpid()))
  library(twill)
  grDevices::pdf(NULL)
  # Paths are drawn too, and what a call writes must not lie where the fuzzer was started.
  own <- tempfile("calls")
  dir.create(own)
  setwd(own)
  for (i in seq(first, length.out = calls)) {
    tell("begin", as.character(i))
    result <- fuzz_call(door, seed + i - 1)
    for (finding in result) tell("finding", report_finding(finding, door, seed + i - 1))
    tell("outcome", attr(result, "outcome"))
  }
  tell("through", "")
}

# list(how, at, findings): at is the call that was running when the child ended. `how` is "finished", or what became of R.
wait_for <- function(child, seconds_per_call) {
  seen <- list(n = 0, since = Sys.time())
  repeat {
    Sys.sleep(0.2)
    log <- read_log(child$log)
    if (nrow(log) != seen$n) seen <- list(n = nrow(log), since = Sys.time())
    through <- any(log$what == "through")
    process <- as.integer(log$text[log$what == "process"])
    is_gone <- length(process) == 1 && !tools::pskill(process, 0)
    is_late <- difftime(Sys.time(), seen$since, units = "secs") > seconds_per_call
    if (through || is_gone || is_late) break
  }
  if (is_late && length(process)) tools::pskill(process, tools::SIGKILL)
  log <- read_log(child$log)
  at <- as.integer(utils::tail(log$text[log$what == "begin"], 1))
  how <- if (any(log$what == "through")) "finished" else if (is_late) "hung" else paste("crashed:", last_words(child$log))
  list(how = how, at = if (length(at)) at else child$first, findings = log$text[log$what == "finding"])
}

read_log <- function(log) {
  if (!file.exists(log)) return(data.frame(what = character(), text = character()))
  lines <- readLines(log, warn = FALSE)
  # The last line may be half written.
  lines <- lines[grepl("\" $", lines)]
  data.frame(what = sub(" .*", "", lines), text = vapply(sub("^[a-z]+ ", "", lines), function(x) eval(str2lang(x)), "",
                                                         USE.NAMES = FALSE))
}

last_words <- function(log) paste(utils::tail(readLines(paste0(log, ".out"), warn = FALSE), 5), collapse = " / ")
