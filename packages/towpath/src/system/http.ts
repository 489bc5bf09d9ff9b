import http from 'node:http';

/**
 * The status of a GET, or undefined when nobody answered in time. The body is thrown away and the
 * connection is not kept.
 * @param withinMs milliseconds for the whole request
 */
export async function probe(url: string, withinMs: number, signal: AbortSignal): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const request = http.get(
      url,
      { agent: false, signal: AbortSignal.any([signal, AbortSignal.timeout(withinMs)]) },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode));
        answer.on('error', () => resolve(undefined));
      },
    );
    request.on('error', () => resolve(undefined));
  });
}
