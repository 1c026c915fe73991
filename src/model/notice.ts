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
