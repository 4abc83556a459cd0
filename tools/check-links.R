# Links of the pages of a folder to each other: files and places in them that are not there. Addresses of other hosts are counted.
#
#   Rscript tools/check-links.R FOLDER [--no-articles]     --no-articles: links to articles are not looked at
arguments <- commandArgs(TRUE)
root <- normalizePath(arguments[1])
pages <- list.files(root, pattern = "[.]html$", recursive = TRUE, full.names = TRUE)

attributes_of <- function(text, name) {
  found <- regmatches(text, gregexpr(sprintf("(?<=[ \n])%s=\"[^\"]*\"", name), text, perl = TRUE))[[1]]
  sub("\"$", "", sub("^[a-z]+=\"", "", found))
}

read_page <- function(file) paste(readLines(file, encoding = "UTF-8", warn = FALSE), collapse = "\n")
text <- stats::setNames(lapply(pages, read_page), pages)
places <- lapply(text, attributes_of, name = "(id|name)")

is_outside <- function(link) grepl("^(https?:|mailto:|data:|javascript:|//)", link)

broken_links <- function(page) {
  links <- unique(c(attributes_of(text[[page]], "href"), attributes_of(text[[page]], "src")))
  links <- links[nzchar(links) & !is_outside(links)]
  if ("--no-articles" %in% arguments) {
    if (grepl("/articles/[^/]*$", page)) return(character())
    links <- links[!grepl("(^|/)articles/", links)]
  }
  links[!vapply(links, link_is_there, NA, page = page)]
}

link_is_there <- function(link, page) {
  file <- utils::URLdecode(sub("[?#].*$", "", link))
  place <- if (grepl("#", link)) utils::URLdecode(sub("^[^#]*#", "", link)) else ""
  target <- if (!nzchar(file)) page else if (startsWith(file, "/")) file.path(root, file) else file.path(dirname(page), file)
  if (dir.exists(target)) target <- file.path(target, "index.html")
  if (!file.exists(target)) return(FALSE)
  own <- places[[normalizePath(target)]]
  !nzchar(place) || is.null(own) || place %in% c("", "top", own)
}

broken <- lapply(stats::setNames(pages, sub(paste0(root, "/"), "", pages, fixed = TRUE)), broken_links)
broken <- broken[lengths(broken) > 0]
for (page in names(broken)) cat(page, "\n", sprintf("  %s\n", broken[[page]]), sep = "")
outside <- unique(unlist(lapply(text, attributes_of, name = "href")))
cat(sprintf("%d pages, %d broken links, %d addresses of other hosts\n", length(pages), sum(lengths(broken)),
            sum(is_outside(outside))))
quit(status = as.integer(length(broken) > 0))
