// Arithmetic modulo a prime. Everything on this page is public, so nothing is constant-time.

/** The remainder that is not negative. */
export const mod = (number, by) => ((number % by) + by) % by;

/** base^exponent modulo `by`. */
export function power(base, exponent, by) {
  let result = 1n;
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % by;
    base = (base * base) % by;
  }
  return result;
}

/** The inverse modulo a prime. */
export const inverse = (number, by) => power(mod(number, by), by - 2n, by);
