/** Exceptions that packets cause, told to somebody: who can cause one can cause a million. */

/** Places that may be told of. */
const MOST_TOLD = 64;

/** Tells of the first exception from each place in the code. */
export function tellOnce(onError: (error: Error) => void): (error: unknown) => void {
  const told = new Set<string>();
  return (error) => {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    const place = /^ +at .*$/m.exec(stack ?? "")?.[0].trim() ?? "";
    if (told.has(place) || told.size >= MOST_TOLD) return;
    told.add(place);
    onError(new Error(`a query was not answered: ${message} (${place}); from now on this is only counted`));
  };
}
