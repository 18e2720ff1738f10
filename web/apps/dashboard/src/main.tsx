import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { findWanted } from './panes.js';
import '../../../packages/react/src/style.css';
import './dashboard.css';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App {...findWanted()} />
  </StrictMode>,
);
