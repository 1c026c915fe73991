/** Octets that notice whoever reads outside the first `length` of them. */

export const guarded = (bytes: Uint8Array, length = bytes.length): Uint8Array =>
  new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^-?\d+$/.test(key) && !(Number(key) >= 0 && Number(key) < length)) {
        throw new Error(`read outside: ${key} of ${length}`);
      }
      return Reflect.get(target, key, target) as unknown;
    },
  });
