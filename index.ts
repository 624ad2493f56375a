import { MosquittoBroker } from "./components/mosquittoBroker.ts";
import { namesOfProgram } from "./components/namesOfProgram.ts";
import { stackSettings } from "./config/stackSettings.ts";

const broker = new MosquittoBroker("mosquitto", stackSettings(), {
    // Stacks of version 0.1 have what the component makes at their top.
    transformations: [namesOfProgram],
});

export default await broker.outputs;
