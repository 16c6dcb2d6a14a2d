/** Every way a request can fail, as one type the page can show. */

export interface ErrorBody {
  code: string;
  message: string;
  span?: [number, number];
  hint?: string;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: string;
  readonly status: number;
  /** Bytes in the query text, as the server counts them. */
  readonly span: [number, number] | undefined;
  readonly hint: string | undefined;
  readonly retryAfterS: number | undefined;

  constructor(status: number, body: ErrorBody, retryAfterS?: number) {
    super(body.message);
    this.status = status;
    this.code = body.code;
    this.span = body.span;
    this.hint = body.hint;
    this.retryAfterS = retryAfterS;
  }

  get isQueryError(): boolean {
    return this.status === 400 && this.code.startsWith("query_");
  }

  /** The server may answer the same request later. */
  get isTransient(): boolean {
    return this.code === "unreachable" || this.status === 503 || this.status === 429;
  }
}

export function unreachable(): ApiError {
  return new ApiError(0, {
    code: "unreachable",
    message: "The server does not answer.",
    hint: "Is logship still running?",
  });
}

/** Reads the error of a reply; a proxy in between may answer with something that is not our JSON. */
export async function errorOf(reply: Response): Promise<ApiError> {
  const retry = Number(reply.headers.get("Retry-After")) || undefined;
  try {
    const body = (await reply.json()) as { error?: ErrorBody };
    if (body.error?.message) return new ApiError(reply.status, body.error, retry);
  } catch {
    // Not JSON: the status line says all there is to say.
  }
  // A development proxy or load balancer answers 502 or 504 for a server that is gone.
  if (reply.status === 502 || reply.status === 504) return unreachable();
  const message = `The server answered ${reply.status} ${reply.statusText}`.trim() + ".";
  return new ApiError(reply.status, { code: "http", message }, retry);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  // fetch and the body reader reject with TypeError when the connection fails.
  if (error instanceof TypeError) return unreachable();
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(0, { code: "internal", message });
}
