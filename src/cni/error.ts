/** What a runtime is told when something is wrong: the CNI specification 1.1, "Error". */

export const CODE = {
  incompatible: 1,
  unknownContainer: 3,
  environment: 4,
  io: 5,
  content: 6,
  config: 7,
  tryAgain: 11,
  notAvailable: 50,
  /** From 100 on they are a plugin's own. */
  refused: 100,
} as const;

export class CniError extends Error {
  readonly code: number;
  readonly details: string | undefined;

  constructor(code: number, message: string, details?: string) {
    super(message);
    this.name = "CniError";
    this.code = code;
    this.details = details;
  }
}
