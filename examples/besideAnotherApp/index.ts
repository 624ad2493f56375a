import * as pulumi from "@pulumi/pulumi";
import { fly, MosquittoBroker } from "appkata-mqtt";

const broker = new MosquittoBroker("broker", {
    users: [
        { name: "sensors", write: ["sensors/#"] },
        { name: "logger", read: ["sensors/#"] },
    ],
});

const endpoint = new pulumi.Config("appkata-mqtt").get("endpoint") ?? "https://api.machines.dev";
const owner = { project: pulumi.getProject(), stack: pulumi.getStack() };

const app = new fly.App("logger", {
    endpoint,
    name: pulumi.interpolate`${broker.appName}-logger`,
    organization: "personal",
    owner,
});

const SUBSCRIBE = `mosquitto_sub -L "$MQTT_URL/sensors/#" --cafile /etc/mqtt-ca.pem -v`;

/** Writes what the sensors send into its log: `fly logs -a APP`. */
new fly.Machine("logger", {
    endpoint,
    app: app.name,
    name: "logger",
    region: "lhr",
    owner,
    config: {
        image: "eclipse-mosquitto:2.1.2-alpine",
        // Connects again when the broker has restarted.
        init: { exec: ["sh", "-c", `while :; do ${SUBSCRIBE}; sleep 5; done`] },
        env: {
            // Secret in the state; whoever may look at the app at Fly sees it.
            MQTT_URL: pulumi
                .all([broker.users, broker.hostname])
                .apply(([users, host]) => `mqtts://logger:${users.logger}@${host}:10000`),
        },
        files: [
            {
                guest_path: "/etc/mqtt-ca.pem",
                raw_value: broker.caCertificatePem.apply((pem) =>
                    Buffer.from(pem).toString("base64"),
                ),
            },
        ],
        restart: { policy: "always" },
    },
});

export const { url, caCertificatePem, address, users } = broker;
export const logger = app.name;
