//! Compresses the kernels' PTX: 0.8 MB of text, of which a machine without a GPU needs nothing. `device/source.rs` has the result.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "cuda")]
    compress_ptx();
}

#[cfg(feature = "cuda")]
fn compress_ptx() {
    const PTX: &str = "src/device/kernels/kernels.ptx";
    println!("cargo::rerun-if-changed={PTX}");
    let text = std::fs::read(PTX).expect("the PTX is part of the package");
    let folder = std::env::var_os("OUT_DIR").expect("cargo says where");
    let packed = miniz_oxide::deflate::compress_to_vec(&text, 9);
    std::fs::write(std::path::Path::new(&folder).join("kernels.ptx.z"), packed).expect("cargo's folder can be written");
}
