// Normal and uniform numbers by counter: Philox4x32-10 (Salmon et al. 2011) and Box-Muller. The same numbers as on the CPU.

struct Words {
  u32 w[4];
};

__device__ inline void multiply(u32 a, u32 b, u32& high, u32& low) {
  u64 product = (u64)a * b;
  high = (u32)(product >> 32);
  low = (u32)product;
}

__device__ inline Words philox(u32 c0, u32 c1, u32 c2, u32 c3, u64 seed) {
  u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    u32 high_0, low_0, high_1, low_1;
    multiply(0xD2511F53u, c0, high_0, low_0);
    multiply(0xCD9E8D57u, c2, high_1, low_1);
    c0 = high_1 ^ c1 ^ k0, c1 = low_1, c2 = high_0 ^ c3 ^ k1, c3 = low_0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  Words out = {{c0, c1, c2, c3}};
  return out;
}

// Between 0 and 1.
__device__ inline double unit(u32 word) { return (word + 0.5) * 2.3283064365386963e-10; }

// The first or second uniform number of a draw, which no number of normals shares.
CALL double uniform(u32 draw, int which, u32 step, u32 gene, u64 seed) {
  return unit(philox(UNIFORMS, draw, step, gene, seed).w[which]);
}

// Four normals: coordinates 4 block to 4 block + 3.
CALL void normals(u32 block, u32 number, u32 step, u32 gene, u64 seed, double out[4]) {
  Words words = philox(block, number, step, gene, seed);
  for (int half = 0; half < 2; half++) {
    double u = unit(words.w[2 * half]), v = unit(words.w[2 * half + 1]);
    double radius = sqrt(-2 * log(u));
    out[2 * half] = radius * cospi(2 * v);
    out[2 * half + 1] = radius * sinpi(2 * v);
  }
}
