/**
 * Holds a lease on a machine, so that nobody else can change it. The lease is short, so that one left behind
 * by a killed run expires soon; it is renewed during the work and released afterwards.
 */
import { setTimeout } from "node:timers/promises";
import type { FlyClient } from "./client.ts";
import { FlyError, isLeaseHeld } from "./errors.ts";
import type { Owner } from "../ownership.ts";
import type { WireLease } from "./types.ts";
import { poll, Progress, type Deadline } from "./wait.ts";

const TTL_S = 30;
const RENEW_EVERY_MS = 10_000;

/** Pauses between attempts while someone else holds the lease. One of ours expires within 30 s. */
const RETRY_PAUSES_MS = [2000, 3000, 5000];

const RELEASE_TRIES = 3;
const RELEASE_PAUSE_MS = 500;

/**
 * Runs `work` under the machine's lease; waits while someone else holds it.
 * @param work gets the nonce that every change of the machine must send
 * @throws Error where the lease stays taken until the deadline
 */
export async function withLease<T>(
    client: FlyClient,
    machine: { readonly app: string; readonly id: string; readonly owner: Owner },
    deadline: Deadline,
    work: (nonce: string) => Promise<T>,
): Promise<T> {
    const path = ["apps", machine.app, "machines", machine.id, "lease"];
    const body = {
        description: `appkata-mqtt: ${machine.owner.project}/${machine.owner.stack}`,
        ttl: TTL_S,
    };
    const nonce = await acquire(client, path, body, machine.id, deadline);
    // A failed renewal is not fatal: if the lease is lost, the next change is refused (409).
    const timer = setInterval(() => {
        client.post(path, { body, nonce, safe: true }).catch(() => undefined);
    }, RENEW_EVERY_MS);
    try {
        return await work(nonce);
    } finally {
        clearInterval(timer);
        await release(client, path, nonce);
    }
}

async function acquire(
    client: FlyClient,
    path: string[],
    body: object,
    id: string,
    deadline: Deadline,
): Promise<string> {
    const progress = new Progress(`machine ${id}`);
    let refusal: FlyError | undefined;
    const nonce = await poll(
        deadline,
        async () => {
            try {
                // A lost answer leaves a lease that nobody can use; wait until it expires, as for others' leases.
                const answer = await client.post<WireLease & { data?: WireLease }>(path, {
                    body,
                    safe: true,
                });
                return nonceOf(answer, path);
            } catch (error) {
                if (!isLeaseHeld(error)) {
                    throw error;
                }
                refusal = error;
                progress.say(`waiting for its lease (${error.text})`);
                return undefined;
            }
        },
        RETRY_PAUSES_MS,
    );
    if (nonce === undefined) {
        throw new Error(
            `Machine ${id} was leased by someone else for the whole ${deadline.seconds} s: ` +
                `${refusal?.text ?? ""}\n  Wait for them to finish, then run \`pulumi up\` again.`,
        );
    }
    return nonce;
}

/** Reads the nonce from `data`, as Fly answers; in the OpenAPI document it is at the top. */
function nonceOf(answer: WireLease & { data?: WireLease }, path: string[]): string {
    const nonce = answer.data?.nonce ?? answer.nonce;
    if (!nonce) {
        throw new Error(`POST /v1/${path.join("/")}: the answer has no nonce.`);
    }
    return nonce;
}

/** Releases the lease, after a cancel too. Its failure must not hide an error of the work. */
async function release(client: FlyClient, path: string[], nonce: string): Promise<void> {
    for (let tries = 1; ; tries++) {
        try {
            await client.delete(path, { nonce, always: true });
            return;
        } catch (error) {
            if (!(error instanceof FlyError)) throw error;
            // 409 and 412 pass. With any other error the lease is gone, or expires by itself.
            if (![409, 412].includes(error.status ?? 0) || tries === RELEASE_TRIES) return;
        }
        await setTimeout(RELEASE_PAUSE_MS);
    }
}
