import { listenBun } from './listenBun.ts';
import { main } from './serve.ts';

await main(listenBun);
