/**
 * An error answer of the API; the constructors below are all there are. `error` is Fly's text, `status`
 * its short code if it has one.
 */
export class FlyError extends Error {
    readonly statusCode: number;
    readonly code: string | undefined;

    constructor(statusCode: number, message: string, code?: string) {
        super(message);
        this.name = "FlyError";
        this.statusCode = statusCode;
        this.code = code;
    }

    get body(): { error: string; status?: string } {
        return this.code === undefined
            ? { error: this.message }
            : { error: this.message, status: this.code };
    }
}

export const badRequest = (text: string) => new FlyError(400, text);
export const invalidArgument = (text: string) => new FlyError(400, `invalid_argument: ${text}`);
export const unauthorized = () => new FlyError(401, "Authenticate: token validation error");
export const forbidden = (text = "unauthorized") => new FlyError(403, text);
export const notFound = (what: string) => new FlyError(404, `${what} not found`);
export const deadlineExceeded = (wanted: string, state: string) =>
    new FlyError(
        408,
        `deadline_exceeded: machine failed to reach desired state, ${wanted}, currently ${state}`,
    );
export const aborted = (text: string) => new FlyError(409, `aborted: ${text}`);
export const nameInUse = (id: string, name: string) =>
    new FlyError(
        409,
        `already_exists: unique machine name violation, machine ID ${id} already exists with name "${name}"`,
    );
export const leaseHeld = (id: string, owner: string, expiresAt: number) =>
    aborted(
        `machine ID ${id} lease currently held by ${owner}, expires at ${rfc3339(expiresAt * 1000)}`,
    );
export const failedPrecondition = (text: string) =>
    new FlyError(412, `failed_precondition: ${text}`);
/** Our own text: Fly says only that such a change "will probably fail". */
export const hostUnreachable = () => failedPrecondition("the host is unreachable");
export const preconditionFailed = (text: string) => new FlyError(412, text);
export const unprocessable = (text: string, code?: string) => new FlyError(422, text, code);
export const nameTaken = () =>
    new FlyError(422, "Validation failed: Name has already been taken", "name_taken");
export const tooManyRequests = () => new FlyError(429, "rate limit exceeded");

/** Formats a time as Fly does: RFC 3339 in UTC, whole seconds. */
export function rfc3339(time: number | Date): string {
    return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
}
