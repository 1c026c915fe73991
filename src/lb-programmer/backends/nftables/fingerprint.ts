/**
 * A rule's fingerprint is its comment: a rule that was deleted, or that an older version wrote, is found without taking
 * nft's description of rules apart, which differs between its versions. FNV-1a, 32 bits, as 8 hexadecimal digits.
 */
export function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
