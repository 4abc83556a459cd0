# Checks that Rust modules use only modules above them, that only module r names extendr, that no files use each other in a
# circle, and that one name is one type.
#
# The order is the one that ARCHITECTURE.md states: modules as they first appear in backticks, top to bottom, in
# the section whose heading has the word "arrows".
source_folder <- "src/rust/src"

module_order <- function(modules) {
  lines <- readLines("ARCHITECTURE.md")
  headings <- grep("^#+ ", lines)
  start <- headings[grepl("arrows", lines[headings], ignore.case = TRUE)]
  if (length(start) == 0) stop("ARCHITECTURE.md has no section with \"arrows\" in its heading.")
  end <- c(headings[headings > start[1]], length(lines) + 1)[1] - 1
  words <- unlist(regmatches(lines[start[1]:end], gregexpr("(?<=`)[a-z0-9_]+(?=[`/.])", lines[start[1]:end], perl = TRUE)))
  unique(words[words %in% modules])
}

module_of <- function(file) sub("(/.*)?(\\.rs)?$", "", file)

# Every `crate::name` in code; `use crate::{a, b::c}` names several.
used_modules <- function(file) {
  text <- sub("//.*$", "", readLines(file.path(source_folder, file)))
  text <- paste(text, collapse = " ")
  single <- regmatches(text, gregexpr("crate::[a-z_0-9]+", text))[[1]]
  grouped <- regmatches(text, gregexpr("crate::\\{[^;]*\\}", text))[[1]]
  members <- unlist(strsplit(gsub("\\{[^{}]*\\}", "", sub("^crate::\\{", "", grouped)), ","))
  unique(c(sub("crate::", "", single), sub("^\\s*([a-z_0-9]+).*$", "\\1", members)))
}

complaints_about <- function(file, order) {
  module <- module_of(file)
  used <- setdiff(intersect(used_modules(file), order), module)
  below <- used[match(used, order) > match(module, order)]
  extendr <- module != "r" && any(grepl("extendr", sub("//.*$", "", readLines(file.path(source_folder, file)))))
  c(if (length(below)) sprintf("%s uses %s, which is below it", file, paste(below, collapse = ", ")),
    if (extendr) paste(file, "names extendr; only module r may"))
}

# Code of a file without comments and unit tests, on one line.
code_of <- function(file) {
  lines <- sub("//.*$", "", readLines(file.path(source_folder, file)))
  tests <- grep("^#\\[cfg\\(test\\)\\]", lines)
  if (length(tests)) lines <- lines[seq_len(tests[1] - 1)]
  paste(lines, collapse = " ")
}

# "svi/guide.rs" and "svi/mod.rs" as c("svi", "guide") and "svi".
path_of <- function(file) {
  path <- strsplit(sub("\\.rs$", "", file), "/")[[1]]
  if (path[length(path)] == "mod") path[-length(path)] else path
}

# `a::{b, c::d}` as "a::b" and "a::c::d".
expanded <- function(use) {
  if (!grepl("{", use, fixed = TRUE)) return(use)
  inner <- sub("\\}[^}]*$", "", sub("^[^{]*\\{", "", use))
  depth <- cumsum(c(`{` = 1, `}` = -1)[strsplit(inner, "")[[1]]] |> (\(x) ifelse(is.na(x), 0, x))())
  letters <- strsplit(inner, "")[[1]]
  letters[letters == "," & depth == 0] <- "\n"
  members <- trimws(strsplit(paste(letters, collapse = ""), "\n")[[1]])
  paste0(sub("\\{.*$", "", use), unlist(lapply(members[nzchar(members)], expanded)))
}

# The file that a path begins with, as seen from a file's own path.
file_of <- function(used, own, paths) {
  parts <- strsplit(gsub("\\s", "", used), "::", fixed = TRUE)[[1]]
  at <- if (parts[1] == "crate") character() else if (parts[1] == "super") own[-length(own)] else own
  from <- c(at, parts[!parts %in% c("crate", "self", "super")])
  for (n in rev(seq_along(from))) {
    found <- which(names(paths) == paste(from[seq_len(n)], collapse = "/"))
    if (length(found)) return(names(paths)[found])
  }
  NULL
}

# Files that a file uses. What belongs to a file as its submodule may use it.
files_used <- function(name, paths) {
  text <- code_of(paths[[name]])
  uses <- unlist(regmatches(text, gregexpr("\\buse [^;]+;", text)))
  rest <- gsub("\\buse [^;]+;", "", text)
  uses <- unlist(lapply(trimws(sub(";$", "", sub("^use ", "", uses))), expanded))
  inline <- unlist(regmatches(rest, gregexpr("\\b(crate|super|self|[a-z_]+)(::\\w+)+", rest)))
  found <- unlist(lapply(unique(c(uses, inline)), file_of, own = strsplit(name, "/")[[1]], paths = paths))
  unique(found[found != name & !startsWith(name, paste0(found, "/"))])
}

# What is left when files that use no other, or that no other uses, are taken away again and again.
circles <- function(uses) {
  repeat {
    leaf <- lengths(uses) == 0 | !names(uses) %in% unlist(uses)
    if (!any(leaf)) break
    uses <- lapply(uses[!leaf], setdiff, y = names(uses)[leaf])
  }
  if (length(uses)) sprintf("%s and %s use each other in a circle", names(uses), vapply(uses, toString, ""))
}

types_of <- function(file) {
  text <- code_of(file)
  pattern <- "\\b(struct|enum|trait) [A-Z]\\w*"
  sub("^\\w+ ", "", regmatches(text, gregexpr(pattern, text))[[1]])
}

# Names that still are two types each.
pending <- c("Ascent", "Bend", "Cells", "Climb", "Fitted", "Guide", "Kind", "Nodes")

# Types that stand in several files.
doubles <- function(files) {
  types <- lapply(files, function(file) unique(types_of(file)))
  where <- split(rep(files, lengths(types)), unlist(types))
  where <- where[lengths(where) > 1 & !names(where) %in% pending]
  sprintf("%s is a type in each of %s", names(where), vapply(where, toString, ""))
}

files <- setdiff(list.files(source_folder, pattern = "\\.rs$", recursive = TRUE), "lib.rs")
modules <- unique(module_of(files))
order <- module_order(modules)
paths <- setNames(as.list(files), vapply(files, function(file) paste(path_of(file), collapse = "/"), ""))
found <- c(sprintf("%s is not in the list of ARCHITECTURE.md", setdiff(modules, order)),
           unlist(lapply(files, complaints_about, order = order)),
           circles(setNames(lapply(names(paths), files_used, paths = paths), names(paths))), doubles(files))
if (length(found)) writeLines(found)
quit(status = as.integer(length(found) > 0))
