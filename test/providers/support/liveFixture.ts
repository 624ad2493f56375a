/** A machine that takes changed secrets without a restart, and the app's secrets for it. */
import { gunzipSync } from "node:zlib";
import { Machine, Secrets } from "../../../providers/entry.ts";
import type { MachineInputs, MachineOutputs } from "../../../providers/fly/machine/inputs.ts";
import type { SecretsInputs, SecretsOutputs } from "../../../providers/fly/secrets/inputs.ts";
import {
    APPLY,
    BROKER_FILES,
    CHECK,
    LISTEN,
    readAtStart,
    STATE,
} from "../../support/liveMachine.ts";
import { outsOf, OWNER } from "./flyFixture.ts";
import { MachineFixture } from "./machineFixture.ts";

/** Machine config of an image without the command. */
export const OLDER = { init: { cmd: ["/bin/sh", "-c", LISTEN] }, files: [] };

export class LiveFixture extends MachineFixture {
    machineId!: string;
    /** Outputs of the last update. */
    secrets!: SecretsOutputs;

    /** ID of the secrets. */
    get id(): string {
        return `${this.app}/secrets`;
    }

    /** Inputs of the secrets. */
    files(passwords: string, certificate = "first certificate"): SecretsInputs {
        return {
            ...this.place,
            files: { passwd: passwords, "server.crt": certificate },
            names: ["FILES"],
            live: { machine: "mosquitto", owner: OWNER, check: CHECK, apply: APPLY, state: STATE },
        };
    }

    /** Inputs of the machine, with the secrets as they are. */
    machineInputs(change: Partial<MachineInputs["config"]> = {}): MachineInputs {
        const base = this.inputs();
        const init = { cmd: ["/bin/sh", "-c", readAtStart("FILES") + LISTEN] };
        return {
            ...base,
            secretsVersion: this.secrets.restartVersion,
            newestSecretsVersion: this.secrets.version,
            config: { ...base.config, init, files: [BROKER_FILES], ...change },
        };
    }

    /** Creates secrets and machine. */
    async deploy(change: Partial<MachineInputs["config"]> = {}): Promise<MachineOutputs> {
        this.secrets = outsOf(await Secrets.create(this.files("first passwords")));
        const made = await Machine.create(this.machineInputs(change));
        this.machineId = made.id;
        return outsOf(made);
    }

    async update(news: SecretsInputs): Promise<void> {
        this.secrets = outsOf(await Secrets.update(this.id, this.secrets, news));
    }

    /** Runs a command in the machine. */
    sh(command: string): Promise<string> {
        return this.api.shell(this.app, this.machineId, command);
    }

    /** The files that are in force in the machine. */
    now(): Promise<string> {
        return this.sh("cat /tmp/now");
    }

    /** The files' lines in the app's secrets. */
    async atFly(): Promise<string> {
        const { secrets: all } = await this.api.ok<{ secrets: { value: string }[] }>(
            "GET",
            `/apps/${this.app}/secrets?show_secrets=true`,
        );
        const lines = gunzipSync(Buffer.from(all[0]!.value, "base64")).toString().split("\n");
        return lines.filter((_, at) => at % 2 === 1 && at > 1).join(", ");
    }

    /** Answers execs of the machine with a status, from the nth on. @param times 0 for always */
    async execFault({
        nth,
        times,
        status,
        error = "internal",
    }: {
        nth: number;
        times?: number;
        status: number;
        error?: string;
    }): Promise<void> {
        await this.fault({
            method: "POST",
            path: `/v1/apps/${this.app}/machines/*/exec`,
            nth,
            ...(times !== undefined && { times }),
            action: { type: "status", status, body: { error } },
        });
    }
}
