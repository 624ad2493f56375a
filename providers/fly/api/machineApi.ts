/** Requests for one machine. Under a lease, every change carries its nonce. */
import { isReachable } from "../describe.ts";
import type { AppOnFly, FlyClient } from "./client.ts";
import type { RequestOptions } from "./request.ts";
import type { WireMachine } from "./types.ts";

export class MachineApi implements AppOnFly {
    readonly client: FlyClient;
    readonly app: string;
    readonly id: string;
    readonly #nonce: string | undefined;

    constructor({ client, app }: AppOnFly, id: string, nonce?: string) {
        this.client = client;
        this.app = app;
        this.id = id;
        this.#nonce = nonce;
    }

    /** The same machine for the holder of its lease. */
    leased(nonce: string): MachineApi {
        return new MachineApi(this, this.id, nonce);
    }

    /**
     * Reads the machine. Fly still returns a destroyed machine for a while, and destroys one on an unreachable
     * host only once the host is back.
     * @returns undefined where the machine is gone, or will be
     */
    async find(): Promise<WireMachine | undefined> {
        const found = await this.client.find<WireMachine>(this.path());
        const isGoing = found?.state === "destroying" && !isReachable(found);
        return isGoing || found?.state === "destroyed" || found?.state === "replaced"
            ? undefined
            : found;
    }

    async get(options?: RequestOptions): Promise<WireMachine> {
        return await this.client.get<WireMachine>(this.path(), options);
    }

    /** @param action segments after the machine's ID: `["metadata", "key"]`; none updates the machine itself */
    async post<T>(action: readonly string[], options: RequestOptions): Promise<T> {
        return await this.client.post<T>(this.path(...action), { ...options, nonce: this.#nonce });
    }

    async delete(action: readonly string[], options?: RequestOptions): Promise<void> {
        await this.client.delete(this.path(...action), { ...options, nonce: this.#nonce });
    }

    path(...action: string[]): string[] {
        return ["apps", this.app, "machines", this.id, ...action];
    }
}
