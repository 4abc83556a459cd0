# Pictures of the tables in bench/README.md, so that numbers stand in one place.
#
#   Rscript bench/plots.R [FOLDER]     default: bench-output/plots
#
# `bench_plots(folder)` gives, for each picture, the header of the table that it is of: tools/site.R puts it there.
library(ggplot2)

lines <- readLines("bench/README.md", encoding = "UTF-8")

# The table that begins with this header, as texts.
table_of <- function(header) {
  at <- which(startsWith(lines, header))
  if (length(at) != 1L) stop("bench/README.md has ", length(at), " tables that begin with ", header)
  end <- at + which(!startsWith(lines[-seq_len(at)], "|"))[1] - 1L
  cells <- strsplit(gsub("^\\||\\|$", "", lines[at:end][-2L]), "|", fixed = TRUE)
  wide <- max(lengths(cells))
  rows <- t(vapply(cells[-1L], function(row) trimws(c(row, rep("", wide))[seq_len(wide)]), character(wide)))
  stats::setNames(as.data.frame(rows), trimws(cells[[1L]]))
}

# The first number of a text; NA where there is none, or only a bound ("> 90 s").
number <- function(text) {
  found <- regmatches(text, regexpr("-?[0-9][0-9,]*[.]?[0-9]*", text), invert = NA)
  value <- vapply(found, function(x) if (length(x) == 3L) as.numeric(gsub(",", "", x[[2L]])) else NA_real_, 0)
  ifelse(grepl(">", text, fixed = TRUE), NA, value)
}

# One row per row and named column, with the number in it.
long <- function(table, columns) {
  do.call(rbind, lapply(names(columns), function(column) {
    data.frame(row = table[[1L]], what = columns[[column]], value = number(table[[column]]))
  }))
}

whole <- function(x) format(x, big.mark = ",", scientific = FALSE, trim = TRUE)
look <- list(theme_minimal(base_size = 12), theme(legend.position = "top", legend.title = element_blank()))
blues <- c("#1f4e79", "#c55a11", "grey55", "#7f9f3f")

speed <- function(header) {
  own <- c("twill: ESS/s" = "twill", nutpie = "nutpie", numpyro = "numpyro", rstanarm = "rstanarm")
  table <- table_of(header)
  shown <- stats::na.omit(long(table, own))
  ggplot(shown, aes(value, factor(row, rev(table[[1L]])), colour = factor(what, own), shape = factor(what, own))) +
    geom_point(size = 2.5) + scale_x_log10(labels = whole) + scale_colour_manual(values = blues) +
    labs(x = "effective draws per second of sampling", y = NULL, shape = NULL, colour = NULL) + look
}

coverage <- function(header) {
  table <- table_of(header)
  shown <- long(table[1:2, ], stats::setNames(names(table)[2:5], names(table)[2:5]))
  shown$donors <- as.integer(number(shown$what))
  ggplot(shown, aes(donors, value, colour = row)) + geom_hline(yintercept = 95, linetype = 3) + geom_line() +
    geom_point(size = 2.5) + scale_colour_manual(values = blues[c(3, 1)]) +
    scale_x_continuous(breaks = unique(shown$donors)) + coord_cartesian(ylim = c(90, 100)) +
    labs(x = "donors", y = "coverage of 95 % intervals, percent") + look
}

signs <- function(header) {
  table <- table_of(header)
  table <- table[table$method %in% c("twill", "edgeR QL", "DESeq2"), ]
  shown <- do.call(rbind, lapply(c("wrong at 0.01", "0.05", "0.1", "0.2"), function(column) {
    data.frame(genes = table$genes, method = table$method, claimed = 100 * number(column), wrong = number(table[[column]]))
  }))
  shown$genes <- factor(paste(shown$genes, "genes"), paste(unique(table$genes), "genes"))
  ggplot(shown, aes(claimed, wrong, colour = factor(method, unique(method)))) + geom_abline(linetype = 3) +
    geom_line() + geom_point() + facet_wrap(~genes) + scale_colour_manual(values = blues) +
    labs(x = "claimed: s-value, or adjusted p-value, percent", y = "wrong among the calls, percent") + look
}

scale_of <- function(axis) function(header) {
  table <- table_of(header)
  shown <- data.frame(size = number(table[[1L]]), seconds = number(table[["clock, s"]]))
  ggplot(shown, aes(size, seconds)) + geom_line(colour = blues[[1L]]) + geom_point(colour = blues[[1L]], size = 2.5) +
    scale_x_log10(labels = whole) + expand_limits(y = 0) +
    labs(x = axis, y = "seconds by the clock, two cores") + look
}

pictures <- list(
  speed = list("| model | twill: ESS/s |", speed, "Effective draws per second of twill and others, by model"),
  coverage = list("| | 3 donors |", coverage, "Coverage of intervals in single cells, by donors, beside an oracle"),
  signs = list("| genes | method | experiments |", signs, "Wrong calls against what is claimed, for 200 to 15,000 genes"),
  cells = list("| cells, of 2,000 genes |", scale_of("cells, of 2,000 genes"), "Seconds against the number of cells"),
  genes = list("| genes, in 5,000 cells |", scale_of("genes, in 5,000 cells"), "Seconds against the number of genes"))

bench_plots <- function(folder) {
  dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  lapply(stats::setNames(nm = names(pictures)), function(name) {
    picture <- pictures[[name]]
    file <- file.path(folder, paste0(name, ".png"))
    grDevices::png(file, width = 1400, height = 800, res = 200)
    print(picture[[2L]](picture[[1L]]))
    grDevices::dev.off()
    list(header = picture[[1L]], alt = picture[[3L]], file = basename(file))
  })
}

if (sys.nframe() == 0L) invisible(bench_plots(c(commandArgs(TRUE), "bench-output/plots")[[1L]]))
