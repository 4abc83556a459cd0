# The site in site/, from the installed package: home, reference, articles, news, and the pages of the repository that they name.
#
#   Rscript tools/site.R [--quick|--newer]      --quick: articles are not knitted, those that are there stay
#                                               --newer: only those whose text is newer than their page
#
# Nothing is fetched; tools/check-links.R is run at the end. Each article says how long it took to knit.
quick <- "--quick" %in% commandArgs(TRUE)
newer <- "--newer" %in% commandArgs(TRUE)
options(pkgdown.internet = FALSE)
pkg <- pkgdown::as_pkgdown(".")

# Pages of the repository, as they are called on the site. The README is beside the short home page.
documents <- c("docs/README.md" = "README.md", "bench/README.md" = "bench/README.md",
               stats::setNames(nm = list.files("docs/decisions", pattern = "[.]md$", full.names = TRUE)))

# The benchmarks have pictures of their tables, each above its table.
with_pictures <- function(from) {
  source("bench/plots.R", local = TRUE)
  text <- readLines(from, encoding = "UTF-8")
  for (picture in bench_plots(file.path(pkg$dst_path, "bench"))) {
    at <- which(startsWith(text, picture$header))
    text <- append(text, c(sprintf("![%s](%s)", picture$alt, picture$file), ""), at - 1L)
  }
  own <- tempfile(fileext = ".md")
  writeLines(text, own)
  own
}

render_document <- function(to, from) {
  html <- tempfile(fileext = ".html")
  given <- if (from == "bench/README.md") with_pictures(from) else from
  rmarkdown::pandoc_convert(normalizePath(given), to = "html", from = "gfm", output = html)
  body <- paste(readLines(html, encoding = "UTF-8"), collapse = "\n")
  title <- sub("^#+ *", "", grep("^#", readLines(from, encoding = "UTF-8"), value = TRUE)[1])
  body <- sub("<h1[^>]*>.*?</h1>", "", body)
  path <- sub("[.]md$", ".html", to)
  dir.create(file.path(pkg$dst_path, dirname(path)), recursive = TRUE, showWarnings = FALSE)
  depth <- lengths(regmatches(path, gregexpr("/", path)))
  pkgdown::render_page(pkg, "title-body", list(pagetitle = title, body = body), path, depth = depth, quiet = TRUE)
}

# Links between files of the repository become links between pages: Markdown is HTML there, the README one level down, and NEWS in
# a folder. Debian's pkgdown takes MathJax from its own disk.
mathjax <- "https://cdnjs.cloudflare.com/ajax/libs/mathjax/2.7.5/"

relink <- function(file) {
  text <- paste(readLines(file, encoding = "UTF-8", warn = FALSE), collapse = "\n")
  text <- gsub("file:///usr/share/javascript/mathjax/", mathjax, text, fixed = TRUE)
  links <- unique(unlist(regmatches(text, gregexpr("(href|src)=\"[^\":#]+(?=[#\"])", text, perl = TRUE))))
  for (link in links) {
    page <- page_of(sub("^[a-z]+=\"", "", link), dirname(file))
    if (!is.null(page)) text <- gsub(paste0(link, "(?=[#\"])"), paste0(sub("\".*", "\"", link), page), text, perl = TRUE)
  }
  writeLines(text, file, useBytes = TRUE)
}

# Where a link leads that leads nowhere; NULL where that is not known, or it is right.
page_of <- function(link, here) {
  if (file.exists(file.path(here, link))) return(NULL)
  names <- c(sub("[.]md$", ".html", link), sub("NEWS[.](md|html)$", "news/index.html", link))
  tried <- c(names, file.path("..", names))
  found <- tried[file.exists(file.path(here, tried))]
  if (length(found)) found[1]
}

# Seconds of the clock and of the processor.
knit <- function(name) {
  before <- proc.time()
  pkgdown::build_article(name, pkg, lazy = newer, quiet = TRUE)
  spent <- proc.time() - before
  cat(sprintf("knitted %-24s %5.0f s, processor %4.0f s\n", name, spent[["elapsed"]], sum(spent[c(1, 2, 4, 5)])))
}

pkgdown::init_site(pkg)
pkgdown::build_home(pkg, preview = FALSE, quiet = TRUE)
pkgdown::build_reference(pkg, examples = FALSE, devel = FALSE, preview = FALSE)
if (!quick) for (name in pkg$vignettes$name) knit(name)
pkgdown::build_articles_index(pkg)
pkgdown::build_news(pkg, preview = FALSE)
for (to in names(documents)) render_document(to, documents[[to]])
for (file in list.files("site", pattern = "[.]html$", recursive = TRUE, full.names = TRUE)) relink(file)
pkgdown::build_search(pkg)
quit(status = system2("Rscript", c("tools/check-links.R", "site", if (quick) "--no-articles")))
