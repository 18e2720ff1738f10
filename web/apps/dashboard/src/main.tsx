import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Pane } from './pane.js';
import { findPanes } from './panes.js';
import '../../../packages/react/src/style.css';
import './dashboard.css';

const panes = findPanes();

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <header>
      <h1>chatsdk</h1>
    </header>
    <main>
      {panes.map((pane) => (
        <Pane key={pane.name} {...pane} />
      ))}
    </main>
  </StrictMode>,
);
