# Checks that every help page stands in _pkgdown.yml, without pkgdown: `make site` stops where one does not.
titles <- function(file) {
  lines <- readLines(file, encoding = "UTF-8")
  if (any(grepl("\\keyword{internal}", lines, fixed = TRUE))) return(NULL)
  sub("^\\\\(name|alias)\\{(.*)\\}$", "\\2", grep("^\\\\(name|alias)\\{", lines, value = TRUE))
}

pages <- lapply(list.files("man", pattern = "[.]Rd$", full.names = TRUE), titles)
listed <- unlist(strsplit(readLines("_pkgdown.yml"), "[][, ]+"))
is_lost <- !vapply(pages, function(names) is.null(names) || any(names %in% listed), NA)
if (any(is_lost)) writeLines(sprintf("_pkgdown.yml: the page of %s stands nowhere", vapply(pages[is_lost], `[`, "", 1)))
quit(status = as.integer(any(is_lost)))
