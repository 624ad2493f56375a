/**
 * A lease on a machine: nobody else can change it meanwhile. Short, so that one that a killed run
 * left behind is soon over, renewed while the work lasts, and released after it.
 */
import { setTimeout } from "node:timers/promises";
import type { FlyClient } from "./client.ts";
import { FlyError, isLeaseHeld } from "./errors.ts";
import type { Owner } from "../ownership.ts";
import type { WireLease } from "./types.ts";
import { poll, Progress, type Deadline } from "./wait.ts";

const TTL_S = 30;
const RENEW_EVERY_MS = 10_000;

/** While someone else has the lease, we ask again; a lease of ours ends within 30 s. */
const RETRY_PAUSES_MS = [2000, 3000, 5000];

const RELEASE_TRIES = 3;
const RELEASE_PAUSE_MS = 500;

/** @param work gets the nonce that every change of the machine must carry */
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
    // A renewal that fails is not fatal: if the lease is lost, the next change is refused (409).
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
                // A lost answer leaves a lease that nobody can use; it is waited out like others'.
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
            `Machine ${id} was leased by someone else for all of ${deadline.seconds} s: ` +
                `${refusal?.text ?? ""}\n  Wait for them to finish, then run \`pulumi up\` again.`,
        );
    }
    return nonce;
}

/** In `data`, as Fly answers; the OpenAPI document shows it flat. */
function nonceOf(answer: WireLease & { data?: WireLease }, path: string[]): string {
    const nonce = answer.data?.nonce ?? answer.nonce;
    if (!nonce) {
        throw new Error(`POST /v1/${path.join("/")}: an answer without a nonce.`);
    }
    return nonce;
}

/** Also after a cancel, so its pauses are not cut short. What fails here must not hide what the work said. */
async function release(client: FlyClient, path: string[], nonce: string): Promise<void> {
    for (let tries = 1; ; tries++) {
        try {
            await client.delete(path, { nonce, always: true });
            return;
        } catch (error) {
            if (!(error instanceof FlyError)) throw error;
            // Refused for a moment. Else it is gone, or ends by itself.
            if (![409, 412].includes(error.status ?? 0) || tries === RELEASE_TRIES) return;
        }
        await setTimeout(RELEASE_PAUSE_MS);
    }
}
