/** What an operator should know, on one line. Missing level: "warn". */
export type Notice = (message: string, level?: "info" | "warn") => void;
