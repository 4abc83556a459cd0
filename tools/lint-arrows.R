# Checks that Rust modules use only modules above them, and that only module r names extendr.
#
# The order is the one that ARCHITECTURE.md states: modules as they first appear, top to bottom, in
# the section whose heading has the word "arrows".
source_folder <- "src/rust/src"

module_order <- function(modules) {
  lines <- readLines("ARCHITECTURE.md")
  headings <- grep("^#+ ", lines)
  start <- headings[grepl("arrows", lines[headings], ignore.case = TRUE)]
  if (length(start) == 0) stop("ARCHITECTURE.md has no section with \"arrows\" in its heading.")
  end <- c(headings[headings > start[1]], length(lines) + 1)[1] - 1
  words <- unlist(strsplit(lines[start[1]:end], "[^A-Za-z0-9_]+"))
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

files <- setdiff(list.files(source_folder, pattern = "\\.rs$", recursive = TRUE), "lib.rs")
modules <- unique(module_of(files))
order <- module_order(modules)
found <- c(sprintf("%s is not in the list of ARCHITECTURE.md", setdiff(modules, order)),
           unlist(lapply(files, complaints_about, order = order)))
if (length(found)) writeLines(found)
quit(status = as.integer(length(found) > 0))
