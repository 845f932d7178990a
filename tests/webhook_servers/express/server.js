// Pre-message and post-message webhooks as IBM documents them: each route is the URL of one webhook.
//
//   WEBHOOK_SECRET=… PORT=3000 node server.js

const express = require('express');
const jwt = require('jsonwebtoken');

const secret = process.env.WEBHOOK_SECRET;

const app = express();
app.use(express.json());

// The token stands in the header as it is, without the word Bearer.
app.use((req, res, next) => {
  try {
    jwt.verify(req.headers.authorization, secret);
  } catch (error) {
    return res.status(401).json({ error: error.message });
  }
  next();
});

// The variables of the assistant: what an answer calls $name.
function variables(context) {
  context.skills ??= {};
  context.skills['main skill'] ??= {};
  context.skills['main skill'].user_defined ??= {};
  return context.skills['main skill'].user_defined;
}

const SPANISH = { hola: 'hello', 'buenos días': 'good morning', gracias: 'thank you' };
const FRENCH = { bonjour: 'hello', merci: 'thank you' };

// Translate. Spanish: the whole message goes back, with the language in a variable. French: only the new text.
app.post('/translate', (req, res) => {
  const { payload } = req.body;
  const text = payload.input.text.toLowerCase();
  if (SPANISH[text]) {
    payload.input.text = SPANISH[text];
    variables(payload.context).language = 'es';
    return res.json(req.body);
  }
  if (FRENCH[text]) {
    return res.json({ payload: { input: { text: FRENCH[text] } } });
  }
  res.json(req.body);
});

const PERSONAL = {
  EMAIL: /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g,
  CARD: /\b\d(?:[ -]?\d){12,15}\b/g,
  PHONE: /\+?\d(?:[ -]?\d){6,14}/g,
};

// Remove personal data: the assistant reads [EMAIL1], a private variable holds what it stands for.
app.post('/redact', (req, res) => {
  const { payload } = req.body;
  const originals = {};
  let { text } = payload.input;
  for (const [kind, pattern] of Object.entries(PERSONAL)) {
    let count = 0;
    text = text.replace(pattern, (found) => {
      count += 1;
      originals[`[${kind}${count}]`] = found;
      return `[${kind}${count}]`;
    });
  }
  payload.input.text = text;
  variables(payload.context).private = { pii: originals };
  res.json({ payload });
});

// Put personal data back: the post-message webhook of the assistant above.
app.post('/restore', (req, res) => {
  const { output, context } = req.body.payload;
  const originals = variables(context).private?.pii ?? {};
  for (const element of output.generic) {
    if (element.response_type !== 'text') continue;
    for (const [token, original] of Object.entries(originals)) {
      element.text = element.text.replaceAll(token, () => original);
    }
  }
  res.json({ payload: { output } });
});

// Skip the assistant: with this header the body is the answer, and there is no payload around it.
app.post('/hours', (req, res) => {
  if (!/\b(open|hours)\b/i.test(req.body.payload.input.text)) {
    return res.json(req.body);
  }
  res.set('x-watson-assistant-webhook-return', 'true');
  res.json({ output: { generic: [{ response_type: 'text', text: 'We are open from 9 to 5.' }] } });
});

const PNG = '89504e470d0a1a0a';

// Process an attached picture: the assistant gets what it is in a variable, and no list.
app.post('/picture', async (req, res) => {
  const { payload } = req.body;
  const [attachment] = payload.input.attachments ?? [];
  if (!attachment) {
    return res.json(req.body);
  }
  const answer = await fetch(attachment.url);
  if (!answer.ok) {
    return res.status(502).json({ error: `the picture's server answered ${answer.status}` });
  }
  const picture = Buffer.from(await answer.arrayBuffer());
  if (picture.subarray(0, 8).toString('hex') !== PNG) {
    return res.status(415).json({ error: 'only PNG pictures' });
  }
  variables(payload.context).picture = {
    url: attachment.url,
    media_type: attachment.media_type,
    bytes: picture.length,
    width: picture.readUInt32BE(16),
    height: picture.readUInt32BE(20),
  };
  payload.input.attachments = [];
  res.json({ payload });
});

app.listen(process.env.PORT ?? 3000, '127.0.0.1');
