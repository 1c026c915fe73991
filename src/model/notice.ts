/** What an operator should know, on one line. Missing level: "warn". */
export type Notice = (message: string, level?: "info" | "warn") => void;

/** Who is told may fail: nothing of ours depends on it. */
export const harmless =
  (notice: Notice | undefined): Notice =>
  (...said) => {
    try {
      notice?.(...said);
    } catch {}
  };

/** For what is said to nobody else: what is "warn" becomes a warning of the process's. */
export const warn: Notice = (message, level = "warn") => {
  if (level === "warn") process.emitWarning(message, "ElevenWarning");
};
