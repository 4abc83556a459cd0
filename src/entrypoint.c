// Entry point that R calls when it loads the package: silences the report that a caught Rust
// panic would print, and hands over to the Rust library, which registers its routines.
#include <R_ext/Rdynload.h>

void register_extendr_panic_hook(void);
void R_init_twill_extendr(DllInfo *dll);

void R_init_twill(DllInfo *dll) {
    register_extendr_panic_hook();
    R_init_twill_extendr(dll);
}
