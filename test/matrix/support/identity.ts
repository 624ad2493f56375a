import assert from "node:assert/strict";
import mqtt from "mqtt";
import type { BrokerOutputs } from "../../../config/outputs.ts";
import { collect, connect } from "../../../dev/harness/mqtt.ts";
import { usersNamed } from "../../../dev/harness/project.ts";
import type { Stage } from "./stage.ts";

const CERTIFICATE_PORT = 10001;
const DEVICES = ["lamp", "lock"];

/** A stack's identity for clients and Fly, which stays whatever is replaced. */
export class Identity {
    readonly #stage: Stage;
    readonly #first: BrokerOutputs;
    /** A revoked certificate. */
    readonly #revoked: { cert: string; key: string };

    private constructor(
        stage: Stage,
        first: BrokerOutputs,
        revoked: { cert: string; key: string },
    ) {
        this.#stage = stage;
        this.#first = first;
        this.#revoked = revoked;
    }

    /** Deploys a stack with a user, a device, a revoked device, and data. */
    static async make(stage: Stage): Promise<Identity> {
        const { project } = stage;
        project.configure({
            users: usersNamed("tester", ...DEVICES),
            devices: DEVICES,
            clientCertificates: "optional",
        });
        await stage.mustSucceed(stage.up());
        const revoked = pairOf(await stage.outputs(), "lock");
        project.configure({ users: usersNamed("tester", "lamp"), devices: ["lamp"] });
        await stage.mustSucceed(stage.up());
        const first = await stage.outputs();
        const client = await connect(first);
        await client.publishAsync("kept", "by the volume", { qos: 1, retain: true });
        await client.endAsync();
        return new Identity(stage, first, revoked);
    }

    async isKept(): Promise<void> {
        const [first, now] = [this.#first, await this.#stage.outputs()];
        for (const key of ["appName", "address", "machineId", "volumeId", "users"] as const) {
            assert.deepEqual(now[key], first[key], key);
        }
        const client = await connect(first);
        const received = collect(client, 1);
        await client.subscribeAsync("kept", { qos: 1 });
        assert.deepEqual(await received, ["kept by the volume"]);
        await client.endAsync();
        for (const outputs of [first, now]) {
            await (await this.#logIn(pairOf(outputs, "lamp"))).endAsync();
        }
        await assert.rejects(this.#logIn(this.#revoked), "a revoked device logs in");
    }

    /** Logs in with a certificate, as a client that trusts the first CA it was given. */
    #logIn(pair: { cert: string; key: string }): Promise<mqtt.MqttClient> {
        const { address: host, hostname: servername, caCertificatePem: ca } = this.#first;
        const to = { protocol: "mqtts", host, port: CERTIFICATE_PORT, servername, ca } as const;
        return mqtt.connectAsync({ ...to, ...pair, reconnectPeriod: 0 });
    }
}

function pairOf({ clientCertificates }: BrokerOutputs, name: string) {
    const { certificatePem: cert, privateKeyPem: key } = clientCertificates![name]!;
    return { cert, key };
}
