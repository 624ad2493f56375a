/** Faults that Fly, or the network before it, can answer a request with, in Fly's words. */
import type { FaultAction } from "../../../dev/fly/faults.ts";
import type { CallName } from "./proxy.ts";

export interface Fault {
    readonly name: string;
    readonly action: FaultAction;
    /** The calls that Fly can answer with it. */
    readonly hits: (call: CallName) => boolean;
    /** Takes a minute or more: the sample includes few of them. */
    readonly slow?: boolean;
    /** How often; 0 for the whole run. @default 1 */
    readonly times?: number;
}

const any = () => true;
const changes = (call: CallName) => !call.startsWith("GET");
const reads = (call: CallName) => call.startsWith("GET");
const changesMachine = (call: CallName) => changes(call) && call.includes("/:machine");
const makes = (path: string) => (call: CallName) =>
    call.replace(/ #\d+$/, "") === `POST /v1/apps${path}`;

function answer(status: number, body: unknown, headers?: Record<string, string>): FaultAction {
    return { type: "status", status, body, ...(headers && { headers }) };
}

const error = (text: string, status?: string) => ({ error: text, ...(status && { status }) });

const PROXY_PAGE =
    "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>";

export const FAULTS: readonly Fault[] = [
    { name: "408", hits: any, action: answer(408, error("deadline_exceeded: request timed out")) },
    {
        name: "409 lease held",
        hits: changesMachine,
        action: answer(
            409,
            error(
                "aborted: machine ID 0 lease currently held by someone@tokens.fly.io, expires at 2026-01-01T00:00:00Z",
            ),
        ),
    },
    {
        name: "409 concurrent update",
        hits: changesMachine,
        action: answer(409, error("aborted: machine update failed due to concurrent update")),
    },
    {
        name: "422 app name taken",
        hits: makes(""),
        action: answer(422, error("Validation failed: Name has already been taken", "name_taken")),
    },
    {
        name: "409 machine name taken",
        hits: makes("/:app/machines"),
        action: answer(
            409,
            error(
                'already_exists: unique machine name violation, machine ID 0 already exists with name "mosquitto"',
            ),
        ),
    },
    {
        name: "412 being replaced",
        hits: changesMachine,
        action: answer(
            412,
            error("failed_precondition: machine getting replaced, refusing to start"),
        ),
    },
    {
        name: "412 volume bound",
        hits: (call) => /^(DELETE|PUT) .*\/:volume/.test(call),
        action: answer(412, error("failed_precondition: volume is currently bound to machine: 0")),
    },
    {
        name: "412 volume claimed",
        hits: makes("/:app/machines"),
        action: answer(412, error("failed_precondition: volume already claimed by machine 0")),
    },
    {
        name: "422 no capacity",
        hits: (call) =>
            makes("/:app/machines")(call) ||
            makes("/:app/machines/:machine")(call) ||
            makes("/:app/volumes")(call),
        action: answer(422, error("could not find a candidate host", "insufficient_capacity")),
    },
    {
        name: "429",
        hits: any,
        action: answer(429, error("rate limit exceeded"), { "retry-after": "1" }),
    },
    { name: "500", hits: any, action: answer(500, error("internal: server error")) },
    {
        name: "500 for good",
        hits: any,
        times: 0,
        slow: true,
        action: answer(500, error("internal")),
    },
    { name: "502 page", hits: any, action: answer(502, PROXY_PAGE) },
    { name: "reset before", hits: any, action: { type: "drop-before" } },
    { name: "reset after", hits: any, action: { type: "drop-after" } },
    { name: "answer cut", hits: any, action: { type: "cut" } },
    { name: "silence, then done", hits: any, slow: true, action: { type: "delay", ms: 60_000 } },
    {
        name: "done, then silence",
        hits: any,
        slow: true,
        action: { type: "delay-after", ms: 60_000 },
    },
    { name: "stale read", hits: reads, action: { type: "stale" } },
];
