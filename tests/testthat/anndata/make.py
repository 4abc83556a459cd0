import numpy as np, pandas as pd, scipy.sparse as sp, anndata as ad
rng = np.random.default_rng(1)
n, g = 12, 5
counts = rng.poisson(1.0, (n, g)).astype(np.float32)
obs = pd.DataFrame({
  "condition": pd.Categorical(["stim", "ctrl"] * 6, categories=["ctrl", "stim"]),
  "donor": ["d%d" % (i // 4) for i in range(n)],
  "batch": pd.Categorical([None if i == 3 else "b%d" % (i % 2) for i in range(n)]),
  "n": np.arange(n), "share": np.linspace(0, 1, n), "doublet": [i == 2 for i in range(n)],
  "age": pd.array([None if i == 1 else 20 + i for i in range(n)], dtype="Int64"),
  "flag": pd.array([None if i == 5 else i % 2 == 0 for i in range(n)], dtype="boolean"),
}, index=["cell%d" % i for i in range(n)])
var = pd.DataFrame({"symbol": ["S%d" % i for i in range(g)], "mt": [False] * (g - 1) + [True]}, index=["ENSG%d" % i for i in range(g)])
def make(X, layers=None, raw=None):
    a = ad.AnnData(X=X, obs=obs.copy(), var=var.copy(), layers=layers or {})
    if raw is not None: a.raw = ad.AnnData(X=raw, obs=obs.copy(), var=var.copy())
    a.obsm["X_pca"] = rng.normal(size=(n, 2)); a.uns["note"] = "text"
    return a
logged = np.log1p(counts)
import sys
out = sys.argv[1]
kw = dict(compression="gzip", compression_opts=9)
make(sp.csr_matrix(logged), {"counts": sp.csc_matrix(counts)}, sp.csr_matrix(counts)).write_h5ad(out + "/cells.h5ad", **kw)
make(counts).write_h5ad(out + "/dense.h5ad", **kw)
make(logged, raw=sp.csr_matrix(counts)).write_h5ad(out + "/raw.h5ad", **kw)
np.savetxt(out + "/counts.csv", counts, fmt="%d", delimiter=",")
print(ad.__version__)
