// What a card's memory can do, to measure other kernels against.

struct alignas(16) Sixteen {
  u64 a, b;
};

// Copies n times 16 bytes.
KERNEL twill_copy(const Sixteen* from, Sixteen* to, u64 n) {
  for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (u64)gridDim.x * blockDim.x) to[i] = from[i];
}
