/**
 * Holds a lease on a machine, so that nobody else can change it. The lease is short, so that one left behind
 * by a killed run expires soon; it is renewed during the work and released afterwards.
 */
import { setTimeout } from "node:timers/promises";
import { FlyError, isLeaseHeld } from "../api/errors.ts";
import type { MachineApi } from "../api/machineApi.ts";
import type { WireLease } from "../api/types.ts";
import { poll, Progress, type Deadline } from "../api/wait.ts";
import type { Owner } from "../ownership.ts";

const TTL_S = 30;
const RENEW_EVERY_MS = 10_000;

/** Pauses between attempts while someone else holds the lease. One of ours expires within 30 s. */
const RETRY_PAUSES_MS = [2000, 3000, 5000];

const RELEASE_TRIES = 3;
const RELEASE_PAUSE_MS = 500;

export interface LeaseWait {
    /** Named in the lease's description. */
    readonly owner: Owner;
    /** Until when to wait while someone else holds the lease. */
    readonly deadline: Deadline;
}

/**
 * Runs `work` under the machine's lease; waits while someone else holds it.
 * @param work gets the machine with which to change it
 * @throws Error where the lease stays taken until the deadline
 */
export async function withLease<T>(
    machine: MachineApi,
    { owner, deadline }: LeaseWait,
    work: (leased: MachineApi) => Promise<T>,
): Promise<T> {
    const body = { description: `appkata-mqtt: ${owner.project}/${owner.stack}`, ttl: TTL_S };
    const leased = machine.leased(await acquire(machine, body, deadline));
    // A failed renewal is not fatal: if the lease is lost, the next change is refused (409).
    const timer = setInterval(() => {
        leased.post(["lease"], { body, safe: true }).catch(() => undefined);
    }, RENEW_EVERY_MS);
    try {
        return await work(leased);
    } finally {
        clearInterval(timer);
        await release(leased);
    }
}

/** @returns the lease's nonce */
async function acquire(machine: MachineApi, body: object, deadline: Deadline): Promise<string> {
    const progress = new Progress(`machine ${machine.id}`);
    let refusal: FlyError | undefined;
    const look = async () => {
        try {
            // A lost answer leaves a lease that nobody can use; wait until it expires, as for others' leases.
            const options = { body, safe: true };
            return nonceOf(await machine.post<LeaseAnswer>(["lease"], options), machine);
        } catch (error) {
            if (!isLeaseHeld(error)) throw error;
            refusal = error;
            progress.say(`waiting for its lease (${error.text})`);
            return undefined;
        }
    };
    const nonce = await poll(deadline, look, RETRY_PAUSES_MS);
    if (nonce === undefined) {
        throw new Error(
            `Machine ${machine.id} was leased by someone else for the whole ${deadline.seconds} s: ` +
                `${refusal?.text ?? ""}\n  Wait for them to finish, then run \`pulumi up\` again.`,
        );
    }
    return nonce;
}

type LeaseAnswer = WireLease & { readonly data?: WireLease };

/** Reads the nonce from `data`, as Fly answers; in the OpenAPI document it is at the top. */
function nonceOf(answer: LeaseAnswer, machine: MachineApi): string {
    const nonce = answer.data?.nonce ?? answer.nonce;
    if (!nonce) {
        const path = machine.path("lease").join("/");
        throw new Error(`POST /v1/${path}: the answer has no nonce.`);
    }
    return nonce;
}

/** Releases the lease, after a cancel too. Its failure must not hide an error of the work. */
async function release(leased: MachineApi): Promise<void> {
    for (let tries = 1; ; tries++) {
        try {
            await leased.delete(["lease"], { always: true });
            return;
        } catch (error) {
            if (!(error instanceof FlyError)) throw error;
            // 409 and 412 pass. With any other error the lease is gone, or expires by itself.
            if (![409, 412].includes(error.status ?? 0) || tries === RELEASE_TRIES) return;
        }
        await setTimeout(RELEASE_PAUSE_MS);
    }
}
